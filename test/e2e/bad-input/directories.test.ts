/** Directories that are missing, somebody else's, open to everybody, full, or cannot be written. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { defineConfig, Runtime, type Config } from '../../../src/index.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { containing, matching, openBadHost, programs, rejection } from './bad-host.ts'

const settings = ['stateDir', 'runDir', 'containerExitsDir', 'containerAttachSocketDir'] as const
type Setting = (typeof settings)[number]

function configIn(root: string): Config {
  return defineConfig({
    defaultRuntime: 'crun',
    runtimes: { crun: { runtimePath: programs.crun } },
    stateDir: join(root, 'state'),
    runDir: join(root, 'run'),
    containerExitsDir: join(root, 'exits'),
    containerAttachSocketDir: join(root, 'attach'),
  })
}

function mount(directory: string, ...args: string[]): void {
  execFileSync('mount', [...args, directory])
  onTestFinished(() => {
    execFileSync('umount', [directory])
  })
}

const unfit: [string, string, (directory: string, root: string) => void, RegExp][] = [
  [
    "is another user's",
    'ERR_INVALID_ARGUMENT',
    (directory) => {
      mkdirSync(directory, { mode: 0o700 })
      chownSync(directory, 65534, 65534)
    },
    /belongs to user 65534, it must belong to user 0/,
  ],
  [
    'is writable for everybody',
    'ERR_INVALID_ARGUMENT',
    (directory) => {
      mkdirSync(directory)
      chmodSync(directory, 0o777)
    },
    /is writable for everybody, it must be private/,
  ],
  [
    'is a link',
    'ERR_INVALID_ARGUMENT',
    (directory, root) => {
      mkdirSync(join(root, 'elsewhere'), { mode: 0o700 })
      symlinkSync(join(root, 'elsewhere'), directory)
    },
    /is a symbolic link, it must be a directory/,
  ],
  ['is a file', 'ERR_INVALID_ARGUMENT', (directory) => writeFileSync(directory, ''), /is not a directory/],
  [
    'is on a read-only mount',
    'ERR_IO',
    (directory) => {
      mkdirSync(directory, { mode: 0o700 })
      mount(directory, '-t', 'tmpfs', '-o', 'ro,mode=0700', 'tmpfs')
    },
    /cannot write to directory .*EROFS/,
  ],
]

describe.each(settings)('a runtime whose %s', (setting: Setting) => {
  it.each(unfit)('%s does not open, with %s', async (_, code, prepare, words) => {
    const root = makeTempRoot()
    const config = configIn(root)
    prepare(config[setting], root)
    const error = await rejection(Runtime.open(config))
    expect(error).toMatchObject({
      code,
      field: setting,
      operation: 'open',
      message: matching(words),
    })
    expect(error.file).toContain(config[setting])
  })

  it('is missing makes it, for its owner only', async () => {
    const root = makeTempRoot()
    const config = configIn(root)
    const runtime = await Runtime.open(config)
    await runtime.close()
    expect(execFileSync('stat', ['-c', '%a', config[setting]], { encoding: 'utf8' })).toBe('700\n')
  })
})

describe.each(['containerExitsDir', 'containerAttachSocketDir'] as const)('a create whose %s', (setting) => {
  it('has vanished since the runtime was opened makes it again', async () => {
    const host = await openBadHost()
    rmSync(host.config[setting], { recursive: true })
    await host.expectGoodContainer()
    expect(existsSync(host.config[setting])).toBe(true)
  })

  it.each(unfit)('%s by now is refused with %s', async (_, code, prepare) => {
    const host = await openBadHost()
    rmSync(host.config[setting], { recursive: true })
    prepare(host.config[setting], host.root)
    const container = await host.container()
    const error = await rejection(host.runtime.createContainer(container))
    expect(error).toMatchObject({
      code,
      field: setting,
      containerId: container.id,
      operation: 'createContainer',
    })
    expect(host.traces(container)).toEqual([])
  })
})

describe("a container's own directory", () => {
  it.each(unfit)('that %s is refused with %s', async (_, code, prepare) => {
    const host = await openBadHost()
    const dir = join(host.root, 'own')
    prepare(dir, host.root)
    const container = await host.container({ dir, logPath: join(host.root, 'own.log') })
    const error = await rejection(host.runtime.createContainer(container))
    expect(error).toMatchObject({
      code,
      field: 'dir',
      containerId: container.id,
      operation: 'createContainer',
    })
    expect(host.traces(container)).toEqual([])
    await host.expectGoodContainer()
  })

  it('on a full disk fails the create and leaves no half-written file', async () => {
    const host = await openBadHost()
    const dir = join(host.root, 'own')
    mkdirSync(dir, { mode: 0o700 })
    mount(dir, '-t', 'tmpfs', '-o', 'size=16k,mode=0700', 'tmpfs')
    writeFileSync(join(dir, 'ballast'), Buffer.alloc(16_384))
    const container = await host.container({ dir, logPath: join(host.root, 'own.log') })
    const error = await rejection(host.runtime.createContainer(container))
    expect(error).toMatchObject({
      code: 'ERR_IO',
      file: join(dir, 'container.json'),
      containerId: container.id,
      operation: 'createContainer',
      message: containing('ENOSPC'),
    })
    expect(readdirSync(dir)).toEqual(['ballast'])
    expect(host.traces(container)).toEqual([])
    rmSync(join(dir, 'ballast'))
    await host.runtime.deleteContainer(container)
    expect(readdirSync(dir)).toEqual([])
    await host.expectGoodContainer(container.id)
  })
})

describe('a create that fails before it begins', () => {
  it('leaves a stranger of the same id alone', async () => {
    const ours = await openBadHost()
    const stranger = await ours.container({ args: ['/bin/sleep', '1000'] })
    await ours.runtime.createContainer(stranger)
    await ours.runtime.startContainer(stranger)
    // A second supervisor with the same runtime root, and a directory of its own for the container that it cannot use.
    const state = join(ours.root, 'other-state')
    const other = await Runtime.open({ ...ours.config, stateDir: state })
    const dir = join(ours.root, 'open-to-all')
    mkdirSync(dir)
    chmodSync(dir, 0o777)
    const container = await ours.container({ id: stranger.id, dir })
    expect(await rejection(other.createContainer(container))).toMatchObject({ field: 'dir' })
    expect(stranger.status).toBe('running')
    process.kill(stranger.state.pid, 0)
    chmodSync(dir, 0o700)
    await other.deleteContainer(container)
    process.kill(stranger.state.pid, 0)
    await other.close()
    await ours.runtime.stopContainer(stranger, 0)
    expect(stranger.state.exit).toMatchObject({ kind: 'code', code: 137 })
    await ours.runtime.deleteContainer(stranger)
  })
})
