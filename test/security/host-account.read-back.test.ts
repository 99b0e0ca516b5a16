/**
 * An account of this host that can write where a supervisor reads back what it wrote: nothing of it may be believed, and
 * nothing elsewhere may be changed for it.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sightOf } from '../../src/actors/recovery/sight.ts'
import { judge } from '../../src/actors/recovery/judge.ts'
import { readExitFile } from '../../src/actors/exit-file.ts'
import { Container } from '../../src/container.ts'
import { isOciError, OciError } from '../../src/errors/index.ts'
import { ensurePrivateDirectory } from '../../src/files.ts'
import { abandonedHomes } from '../../src/impl/host/exec-home.ts'
import { abandonedIn } from '../../src/impl/host/owner-mark.ts'
import { readPidFile } from '../../src/impl/oci/monitor.ts'
import { openNotebook, parseNotes } from '../../src/impl/oci/notes.ts'
import { bootId, readIdentitySync } from '../../src/impl/process-identity.ts'
import { decodeState } from '../../src/store/state-codec.ts'
import { emptyOwnRecord } from '../../src/store/state-record.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import { SimulatedClock, SimulatedRuntime } from '../../src/testing.ts'
import { openStage } from '../runtime/stage.ts'
import { makeTempRoot } from '../support/temp-root.ts'

const nobody = 65_534

const notes = {
  runtimeRoot: '/run/x',
  ownPidNamespace: true,
  cgroupPaths: { pids: '/a/b' },
  monitorCgroups: [],
}

/** Files of others, and files that others may write. */
const foreign: [what: string, make: (path: string) => void][] = [
  ['of another user', (path) => chownSync(path, nobody, nobody)],
  ['that its group may write', (path) => chmodSync(path, 0o664)],
  ['that everybody may write', (path) => chmodSync(path, 0o646)],
]

function fileWith(text: string, make: (path: string) => void): string {
  const path = join(makeTempRoot(), 'file')
  writeFileSync(path, text, { mode: 0o600 })
  make(path)
  return path
}

describe('a file is not believed', () => {
  it.each(foreign)('as an exit, %s', async (_, make) => {
    expect(await readExitFile(fileWith('0', make))).toMatchObject({ kind: 'unreadable' })
    expect(await readExitFile(fileWith('0', () => undefined))).toMatchObject({ kind: 'exit', code: 0 })
  })

  it.each(foreign)('as the pid of a monitor, %s', async (_, make) => {
    expect(await readPidFile(fileWith('1234', make))).toBeUndefined()
    expect(await readPidFile(fileWith('1234', () => undefined))).toBe(1234)
  })

  it.each([...foreign, ['that is a link', () => undefined] as (typeof foreign)[number]])(
    'as notes on a container, %s, which are ignored and said to be',
    async (what, make) => {
      const warnings: unknown[] = []
      const logger = { ...silentLogger, warn: (fields: object) => warnings.push(fields) }
      const container = new Container({ id: 'web', bundlePath: '/b' })
      let path = fileWith(JSON.stringify(notes), make)
      if (what.includes('link')) {
        const link = `${path}-link`
        symlinkSync(path, link)
        path = link
      }
      expect(await openNotebook(logger).read(container, path)).toBeUndefined()
      expect(warnings).toMatchObject([{ containerId: 'web', file: path, err: { code: 'ERR_STATE_CORRUPT' } }])
      const own = fileWith(JSON.stringify(notes), () => undefined)
      expect(await openNotebook(logger).read(container, own)).toMatchObject(notes)
    },
  )
})

describe('notes on a container', () => {
  it.each([
    ['a cgroup outside of all groups', { cgroupPaths: { pids: '/../../../../tmp/empty' } }],
    ['a monitor in a cgroup above the hierarchy', { monitorCgroups: ['/sys/fs/cgroup/../../../tmp/empty'] }],
    ['a runtime root with steps upwards', { runtimeRoot: '/run/x/../../etc' }],
    ['the init process of the host', { init: { pid: 1, startTicks: '1' } }],
    ['a number that is no pid', { init: { pid: 2 ** 31, startTicks: '1' } }],
  ])('that name %s are none', (_, wrong) => {
    expect(parseNotes(JSON.stringify(notes))).toBeDefined()
    expect(parseNotes(JSON.stringify({ ...notes, ...wrong }))).toBeUndefined()
  })

  it('that name a directory which is no cgroup as the monitor’s are none', async () => {
    const elsewhere = makeTempRoot()
    const path = fileWith(
      JSON.stringify({ ...notes, monitorCgroups: [`${elsewhere}/empty`] }),
      () => undefined,
    )
    const container = new Container({ id: 'web', bundlePath: '/b' })
    expect(await openNotebook(silentLogger).read(container, path)).toBeUndefined()
  })
})

function stateOf(init: object): string {
  return JSON.stringify({
    ociVersion: '1.0.2',
    id: 'web',
    status: 'running',
    pid: 77,
    bundle: '/b',
    ociSupervisor: { version: 1, generation: 1, init },
  })
}

describe('a state', () => {
  it.each([1, 0, -1, 2 ** 31])('whose init process has pid %d is corrupt', (pid) => {
    expect(() => decodeState(stateOf({ pid, startTicks: '7' }), '/f')).toThrow(/init\.pid/)
    expect(decodeState(stateOf({ pid: 2, startTicks: '7' }), '/f').own.init).toEqual({
      pid: 2,
      startTicks: '7',
    })
  })

  it.each(['init', 'monitor'] as const)(
    'that names the supervisor itself as %s is set aside',
    async (role) => {
      const us = { pid: process.pid, startTicks: readIdentitySync(process.pid)?.startTicks ?? '' }
      const container = new Container({ id: 'web', bundlePath: '/b' })
      const clock = new SimulatedClock()
      const impl = new SimulatedRuntime({ clock })
      const verdictOn = async (identity: { pid: number; startTicks: string }) => {
        const record = {
          state: { ...container.state, status: 'running', created: 'then', started: 'then' } as const,
          own: { ...emptyOwnRecord, bootId: bootId(), [role]: identity },
        }
        const scope = { clock, logger: silentLogger, limitMs: 500 }
        return judge(record, await clock.runUntil(sightOf(scope, container, impl, record)))
      }
      expect(await verdictOn(us)).toMatchObject({ kind: 'quarantine' })
      // A pid that was a container's before it was ours.
      expect(await verdictOn({ ...us, startTicks: '7' })).toMatchObject({ kind: 'adopt' })
    },
  )
})

describe('a directory', () => {
  it.each<[string, (path: string) => void]>([
    ['of another user', (path) => chownSync(path, nobody, nobody)],
    ['that another group may write', (path) => [chownSync(path, 0, nobody), chmodSync(path, 0o770)]],
    ['that everybody may write', (path) => chmodSync(path, 0o777)],
  ])('%s is no place for exits, nor for files that are removed by their names', async (_, make) => {
    const path = join(makeTempRoot(), 'directory')
    mkdirSync(path, { mode: 0o700 })
    make(path)
    await expect(ensurePrivateDirectory(path)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    await expect(abandonedIn(path)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  it('that is a link does not lead to what an earlier supervisor has left', async () => {
    const runDir = makeTempRoot()
    const victim = makeTempRoot()
    mkdirSync(join(victim, '999999-1-x'))
    symlinkSync(victim, join(runDir, 'exec'))
    await expect(abandonedHomes(runDir)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    expect(readdirSync(victim)).toEqual(['999999-1-x'])
  })

  it('of an earlier supervisor that is a link is none', async () => {
    const runDir = makeTempRoot()
    const victim = makeTempRoot()
    mkdirSync(join(runDir, 'exec', '999999-1-own'), { recursive: true, mode: 0o700 })
    symlinkSync(victim, join(runDir, 'exec', '999999-1-link'))
    expect(await abandonedHomes(runDir)).toEqual([join(runDir, 'exec', '999999-1-own')])
    expect(existsSync(victim)).toBe(true)
  })
})

async function recordedAsStopped() {
  const stage = await openStage()
  const container = await stage.started()
  await stage.clock.runUntil(stage.runtime.stopContainer(container, 0))
  const error = new OciError('ERR_WRONG_STATUS', 'it runs')
  stage.sim.inject(container.id, { effect: 'delete', fault: 'fail', error, times: Infinity })
  return { ...stage, container }
}

describe('a container that is recorded as stopped and lives', () => {
  it('is ended by a delete', async () => {
    const { runtime, clock, container, calls } = await recordedAsStopped()
    await clock.runUntil(runtime.deleteContainer(container))
    expect(calls('cleanUp')).toBe(1)
    expect(runtime.containers.size).toBe(0)
  })

  it('is not ended by a delete without force, also after one with it', async () => {
    const { runtime, clock, container, calls, sim } = await recordedAsStopped()
    const isRefused = async () =>
      clock.runUntil(runtime.deleteContainer(container, { force: false })).then(
        () => 'deleted',
        (error: unknown) => (isOciError(error) ? error.code : 'unknown'),
      )
    expect(await isRefused()).toBe('ERR_WRONG_STATUS')
    expect(calls('cleanUp')).toBe(0)
    sim.inject(container.id, { effect: 'cleanUp', fault: 'fail', times: Infinity })
    await expect(clock.runUntil(runtime.deleteContainer(container))).rejects.toMatchObject({
      operation: 'deleteContainer',
    })
    const cleanUps = calls('cleanUp')
    expect(cleanUps).toBeGreaterThan(0)
    expect(await isRefused()).toBe('ERR_WRONG_STATUS')
    expect(calls('cleanUp')).toBe(cleanUps)
  })
})
