import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, it, onTestFinished } from 'vitest'
import { defineConfig } from '../../../src/config/define-config.ts'
import { Container } from '../../../src/container.ts'
import { portForward } from '../../../src/impl/host/port-forward.ts'
import { openLauncher } from '../../../src/impl/launcher/launcher.ts'
import { readIdentitySync } from '../../../src/impl/process-identity.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { killAtEnd, waitFor } from '../launcher/support.ts'

/** Stands in for nsenter and socat: stops itself, connected or not, and tells its pid. */
const stopping = (connected: boolean) => `#!${process.execPath}
const { writeFileSync, renameSync } = require('node:fs')
const stop = () => {
  writeFileSync(__dirname + '/pid.new', String(process.pid))
  renameSync(__dirname + '/pid.new', __dirname + '/pid')
  process.kill(process.pid, 'SIGSTOP')
}
const [, name] = process.argv.at(-1).split(':')
if (${connected}) require('node:net').connect(name, stop)
else stop()`

it.each([
  ['before it has connected', false],
  ['once it has connected', true],
])('a socat that is stopped %s ends with the forward, which is given up at once', async (_, connected) => {
  const root = makeTempRoot()
  for (const program of ['nsenter', 'socat']) {
    writeFileSync(join(root, program), stopping(connected))
    chmodSync(join(root, program), 0o755)
  }
  const launcher = await openLauncher()
  onTestFinished(() => launcher.close())
  const config = defineConfig({
    defaultRuntime: 'crun',
    runtimes: { crun: { runtimePath: '/bin/true' } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  })
  const container = new Container({ id: 'c', bundlePath: root })
  const init = readIdentitySync(process.pid)
  if (init === undefined) throw new Error('this process lives')
  const world = { config, launcher, environment: { PATH: root }, programs: new Map() }
  const giving = new AbortController()
  const stream = new PassThrough()
  const forward = portForward(world, container, init, { port: 80, stream }, { signal: giving.signal })
  const outcome = expect.soft(forward).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  await waitFor('it is stopped', () => existsSync(join(root, 'pid')))
  const pid = killAtEnd(Number(readFileSync(join(root, 'pid'), 'utf8')))
  giving.abort()
  await outcome
  await waitFor('it is dead', () => readIdentitySync(pid) === undefined)
})
