/** A supervisor is killed while it creates many containers; the next one has the state directory, and leaves nothing. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { defineConfig, Runtime } from '../../src/index.ts'
import { patience } from '../support/patience.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { runtimePrograms, type RuntimeName } from './facade-host.ts'
import { cgroupsOf, processesNaming, until } from './oci-host.ts'

const handlers: readonly RuntimeName[] = ['crun', 'runc']
const count = 8

describe.each(handlers)('a supervisor that is killed during creates, on %s,', (handler) => {
  it.each([
    ['when the first monitors wait for their start byte', 'runtime-oci.json'],
    ['when the first monitors have forked', 'conmon-pidfile'],
  ])(
    '%s, leaves the state directory to the next one, who leaves nothing',
    { timeout: patience(90_000) },
    async (_, sign) => {
      const root = makeTempRoot()
      makeRootfs(root)
      const prefix = `${makeContainerId('k')}-`
      const program = new URL('creating-embedder.ts', import.meta.url).pathname
      const path = runtimePrograms[handler]
      const supervisor = spawn(process.execPath, [program, root, handler, path, prefix, String(count)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      onTestFinished(() => void supervisor.kill('SIGKILL'))
      await once(supervisor.stdout, 'data')
      const ids = Array.from({ length: count }, (__, index) => `${prefix}${index}`)
      await until('a create has come that far', () =>
        ids.some((id) => existsSync(join(root, id, sign)) || existsSync(join(root, 'state', id, sign))),
      )
      supervisor.kill('SIGKILL')
      await once(supervisor, 'exit')

      const runtime = await Runtime.open(
        defineConfig({
          defaultRuntime: handler,
          runtimes: { [handler]: { runtimePath: path } },
          runDir: join(root, 'run'),
          stateDir: join(root, 'state'),
        }),
      )
      onTestFinished(() => runtime.close())
      expect(runtime.recovered?.unresolved).toEqual([])
      await Promise.all(runtime.containers.list().map((container) => runtime.deleteContainer(container)))
      await runtime.close()
      await until('no process of it is left', () => processesNaming(root).length === 0)
      expect(ids.flatMap(cgroupsOf)).toEqual([])
      expect(readdirSync(join(root, 'state', 'index'))).toEqual([])
      const fifos = join(root, 'run', 'sync')
      expect(existsSync(fifos) ? readdirSync(fifos) : []).toEqual([])
    },
  )
})
