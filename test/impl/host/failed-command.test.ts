/** Programs in the places of conmon, the attach helper and socat, which fail and whose end is known. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Container, defaultSpec, defineConfig, writeBundle, type Config } from '../../../src/index.ts'
import { openAttachBridge } from '../../../src/impl/attach-bridge/client.ts'
import { portForward } from '../../../src/impl/host/port-forward.ts'
import { openLauncher, type Launcher } from '../../../src/impl/launcher/launcher.ts'
import { attach } from '../../../src/impl/oci/attach.ts'
import { createRuntimeOci } from '../../../src/impl/oci/runtime-oci.ts'
import { readIdentitySync } from '../../../src/impl/process-identity.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { noExits } from '../oci/no-exits.ts'

const effect = { signal: new AbortController().signal }

interface Stage {
  readonly root: string
  readonly config: Config
  readonly container: Container
  readonly launcher: Launcher
  /** An executable file in a directory that has nothing else. */
  readonly program: (name: string, text: string) => string
}

async function stage(): Promise<Stage> {
  const root = makeTempRoot()
  const launcher = await openLauncher({ logger: silentLogger })
  onTestFinished(() => launcher.close())
  const container = new Container({ id: 'c', bundlePath: join(root, 'bundle') })
  await writeBundle(container.bundlePath, defaultSpec({ rootfs: root, args: ['/bin/true'] }))
  const config = defineConfig({
    defaultRuntime: 'crun',
    runtimes: { crun: { runtimePath: '/bin/true', monitorPath: join(root, 'conmon') } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  })
  const program = (name: string, text: string): string => {
    const path = join(root, name)
    writeFileSync(path, text)
    chmodSync(path, 0o755)
    return path
  }
  return { root, config, container, launcher, program }
}

const shell = (script: string): string => `#!/bin/sh\n${script}\n`
/** As the runtime writes it once the command runs. */
const says = 'while [ "$1" != -p ]; do shift; done; echo 1 >"$2"'

describe('the error of a command in a container', () => {
  it.each<[string, string, object]>([
    ['exits', shell('echo odd >&2; exit 7'), { exitCode: 7, signal: undefined }],
    ['is killed', shell('kill -KILL $$'), { exitCode: undefined, signal: 'SIGKILL' }],
    ['exits when the command runs', shell(`${says}; exit 9`), { exitCode: 9, signal: undefined }],
    ['cannot be executed', '#!/nonexistent\n', { exitCode: undefined, signal: undefined }],
  ])('says how its monitor ended: one that %s', async (_, text, end) => {
    const { config, container, launcher, program } = await stage()
    const conmon = program('conmon', text)
    const impl = createRuntimeOci({ config, launcher, exits: noExits(), logger: silentLogger })
    onTestFinished(() => impl.close())
    const command = { ...end, argv: expect.arrayContaining([conmon]) as unknown }
    const failed = impl.execs.execSync(container, { argv: ['/bin/true'] }, effect)
    await expect(failed).rejects.toMatchObject({ command })
    // A command that runs is a session, whatever becomes of it.
    if (text.includes(says)) return
    const started = impl.execs.startExec(container, { argv: ['/bin/true'] }, effect)
    await expect(started).rejects.toMatchObject({ command })
  })
})

describe('the error of attaching', () => {
  it('says how the helper ended that did not start', async () => {
    const { config, container, launcher, program } = await stage()
    const nodePath = program('node', shell('echo no room >&2; exit 3'))
    const attachBridge = openAttachBridge({
      launcher,
      logger: silentLogger,
      nodePath,
      directory: `${config.runDir}/bridge`,
    })
    onTestFinished(() => attachBridge.close())
    const joined = attach({ config, logger: silentLogger, attachBridge }, container, {}, effect)
    await expect(joined).rejects.toMatchObject({
      code: 'ERR_LAUNCHER_LOST',
      command: {
        argv: [nodePath, expect.anything(), expect.anything()],
        exitCode: 3,
        stderrTail: 'no room\n',
      },
    })
  })
})

describe('the error of forwarding a port', () => {
  it.each<[string, string, object]>([
    [
      'before it was connected',
      shell('echo nsenter: odd >&2; exit 5'),
      { code: 'ERR_RUNTIME_FAILED', command: { exitCode: 5, stderrTail: 'nsenter: odd\n' } },
    ],
    [
      'when it was connected',
      `#!${process.execPath}
      const [, name] = process.argv.at(-1).split(':')
      require('node:net').connect(name, () => { console.error('broke'); process.exit(6) })`,
      { code: 'ERR_IO', command: { exitCode: 6, stderrTail: 'broke\n' } },
    ],
  ])('says how socat ended %s', async (_, text, expected) => {
    const { root, config, container, launcher, program } = await stage()
    const nsenter = program('nsenter', text)
    program('socat', shell('exit 1'))
    const init = readIdentitySync(process.pid)
    if (init === undefined) throw new Error('this process lives')
    const world = { config, launcher, environment: { PATH: root }, programs: new Map() }
    const request = { port: 80, stream: new PassThrough() }
    const error: unknown = await portForward(world, container, init, request, effect).catch(
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject(expected)
    expect(error).toMatchObject({ command: { argv: expect.arrayContaining([nsenter]) as unknown } })
  })
})
