/**
 * An embedder that runs one container from create to delete: node process-one-embedder.ts <directory> <rootfs> <id>. Tells
 * in JSON how that went, what was warned of, and which zombies are there.
 */
import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from '../../src/index.ts'
import { readIfThere } from '../support/proc.ts'

const [directory = '', rootfs = '', id = ''] = process.argv.slice(2)
const warnings: string[] = []
const silent = (): void => undefined
const logger = {
  debug: silent,
  info: silent,
  warn: (_fields: object, message: string) => void warnings.push(message),
  error: silent,
}

const runtime = await Runtime.open(
  defineConfig({
    defaultRuntime: 'crun',
    runtimes: { crun: { runtimePath: '/usr/bin/crun' } },
    runDir: `${directory}/run`,
    stateDir: `${directory}/state`,
  }),
  { logger },
)
const bundlePath = `${directory}/${id}`
await writeBundle(
  bundlePath,
  defaultSpec({ rootfs, args: ['/bin/sh', '-c', 'exit 7'], cgroupsPath: `/${id}` }),
)
const container = new Container({ id, bundlePath })
await runtime.createContainer(container)
await runtime.startContainer(container)
const exit = await runtime.waitContainer(container)
await runtime.deleteContainer(container)
// Whoever reaps may take a moment. Of process 1, if that is us, it is known that it never does.
const isZombie = (pid: number | string): boolean => /^State:\s+Z/m.test(readIfThere(`/proc/${pid}/status`))
while (process.pid !== 1 && readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && isZombie(pid)))
  await delay(5)
const zombies = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isZombie(pid))
await runtime.close()
process.stdout.write(JSON.stringify({ pid: process.pid, exit, warnings, zombies: zombies.length }))
