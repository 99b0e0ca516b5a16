/**
 * Exits as they come: every code as it is, none lost or invented, whatever happens to the monitor, the directory of the
 * exit files or the embedder's event loop meanwhile.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Container } from '../../src/index.ts'
import { observeProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import type { ProcessIdentity } from '../../src/impl/runtime-impl.ts'
import { ignoresTerm } from '../contract/harness.ts'
import { hasUnifiedCgroups } from '../support/cgroups.ts'
import {
  hostForTest,
  inLanes,
  openFacadeHost,
  replaceDirectory,
  runtimePrograms,
  signalFromOutside,
  watchEvents,
  withoutPidNamespace,
  type FacadeHost,
  type RuntimeName,
} from './facade-host.ts'
import { cgroupsOf, until } from './oci-host.ts'

const SIGKILL = 9
const SIGCONT = 18
const SIGSTOP = 19

/** Runs until the file is there, then ends with `code`. */
const endsAtFile = (file: string, code: number): string[] => [
  '/bin/sh',
  '-c',
  `while [ ! -e ${file} ]; do sleep 0.05; done; exit ${code}`,
]

function monitorOf(container: Container): ProcessIdentity {
  const pid = Number(readFileSync(join(container.bundlePath, 'conmon-pidfile'), 'utf8'))
  const identity = readIdentitySync(pid)
  if (identity === undefined) throw new Error(`container ${container.id} has no monitor`)
  return identity
}

/** The pids in the container's cgroups, its monitor's aside. */
function processesIn({ id }: Container): string[] {
  const own = cgroupsOf(id).filter((directory) => basename(directory) === id)
  const lists = own.map((directory) => readFileSync(`${directory}/cgroup.procs`, 'utf8'))
  return [...new Set(lists.flatMap((list) => list.split('\n')).filter(Boolean))]
}

describe.each<RuntimeName>(['crun', 'runc'])('an exit on %s', (handler) => {
  let host: FacadeHost
  beforeAll(async () => {
    host = await openFacadeHost(handler, { limits: { exitFileWaitMs: 500 } })
  })
  afterAll(() => host.close())

  it('has the code that the process gave, and a signal only by inference', async () => {
    const codes = [0, 1, 42, 126, 127, 128, 130, 137, 143, 255]
    const exits = await inLanes(codes.length, 4, async (index) => {
      const container = await host.start(['/bin/sh', '-c', `exit ${codes[index]}`])
      const exit = await host.runtime.waitContainer(container)
      expect(container.state.exitCode).toBe(codes[index])
      await host.runtime.deleteContainer(container)
      return exit
    })
    const signals = new Map([
      [130, 2],
      [137, 9],
      [143, 15],
    ])
    expect(exits).toMatchObject(
      codes.map((code) => ({ kind: 'code', code, inferredSignal: signals.get(code), oomKilled: false })),
    )
  })

  it('is 0 for forty commands that end at once, eight at a time, and each is told once', async () => {
    const events = watchEvents(host.runtime)
    const lives = await inLanes(40, 8, async () => {
      const container = await host.start(['/bin/true'])
      const exit = await host.runtime.waitContainer(container)
      await host.runtime.deleteContainer(container)
      return { exit, events: events.of(container) }
    })
    for (const life of lives) {
      expect(life.exit).toMatchObject({ kind: 'code', code: 0 })
      expect(life.events).toEqual(['created', 'started', 'exited', 'deleted'])
    }
    expect(readdirSync(host.config.containerExitsDir)).toEqual([])
  })

  it('may come before the runtime says that it has started the command', async () => {
    const wrapper =
      'if [ $verb = start ]; then "$real" "$@"; until [ -e $0.go ]; do sleep 0.02; done; exit; fi'
    const slow = await hostForTest(handler, { wrapper })
    const events = watchEvents(slow.runtime)
    const container = await slow.create(['/bin/sh', '-c', 'exit 6'])
    const start = slow.runtime.startContainer(container)
    await until('the exit file is there', () => existsSync(slow.exitFile(container.id)))
    expect(container.phase).toBe('starting')
    writeFileSync(join(slow.root, 'wrapper.go'), '')
    await start
    expect(await slow.runtime.waitContainer(container)).toMatchObject({ kind: 'code', code: 6 })
    expect(events.of(container)).toEqual(['created', 'started', 'exited'])
  })

  it('takes with it what outlives init in the pid namespace of the host', async () => {
    const args = ['/bin/sh', '-c', 'sleep 60 & exec sleep 120']
    const container = await host.start(args, { change: withoutPidNamespace })
    await until('both processes run', () => processesIn(container).length === 2)
    signalFromOutside(container.state.pid, SIGKILL)
    expect(await host.runtime.waitContainer(container)).toMatchObject({ kind: 'code', code: 137 })
    // They are killed, and a killed process takes its moment: left alone they would stay for a minute.
    await until('nobody is left', () => processesIn(container).length === 0)
    await host.runtime.deleteContainer(container)
    expect(cgroupsOf(container.id)).toEqual([])
  })

  it('of a paused container is noticed', async () => {
    const container = await host.run(ignoresTerm)
    await host.runtime.pauseContainer(container)
    signalFromOutside(container.state.pid, SIGKILL)
    if (!hasUnifiedCgroups) {
      // On cgroup v1 a frozen process dies when it is thawed.
      const root = join(host.runtimeState(container.id), '..')
      execFileSync(runtimePrograms[handler], ['--root', root, 'resume', container.id])
    }
    expect(await host.runtime.waitContainer(container)).toMatchObject({ kind: 'code', code: 137 })
    expect(container.status).toBe('stopped')
    await host.runtime.deleteContainer(container)
  })

  it('behind a mute monitor is noticed by itself, as unknown, and its late file harms no later run', async () => {
    const container = await host.run(ignoresTerm)
    const monitor = monitorOf(container)
    signalFromOutside(monitor.pid, SIGSTOP)
    onTestFinished(async () => {
      if ((await observeProcess(monitor)) === 'alive') signalFromOutside(monitor.pid, SIGCONT)
    })
    signalFromOutside(container.state.pid, SIGKILL)
    expect(await host.runtime.waitContainer(container)).toMatchObject({
      kind: 'unknown',
      why: 'no-exit-file',
    })
    // A whole life goes by, so that what is removed when an exit is recorded has been removed.
    await host.runtime.deleteContainer(await host.start(['/bin/true']))
    expect(existsSync(host.exitFile(container.id))).toBe(false)

    signalFromOutside(monitor.pid, SIGCONT)
    await until('the late exit file is there', () => existsSync(host.exitFile(container.id)))
    expect(container.state.exit).toMatchObject({ kind: 'unknown' })
    await host.runtime.deleteContainer(container)
    expect(existsSync(host.exitFile(container.id))).toBe(false)
    await expectUndisturbed(container.id)
  })

  it('behind a monitor that stays mute is noticed by a stop, and delete ends the monitor', async () => {
    const container = await host.run(ignoresTerm)
    const monitor = monitorOf(container)
    signalFromOutside(monitor.pid, SIGSTOP)
    await host.runtime.stopContainer(container, 0)
    expect(container.state.exit).toMatchObject({ kind: 'unknown', why: 'no-exit-file' })
    await host.runtime.deleteContainer(container)
    expect(await observeProcess(monitor)).toBe('gone')
    await expectUndisturbed(container.id)
  })

  /** A new container of that id has its own exit and no other. */
  async function expectUndisturbed(id: string): Promise<void> {
    const later = await host.start(endsAtFile(`/tmp/${id}`, 4), { options: { id } })
    await host.runtime.updateContainerStatus(later)
    expect(later.status).toBe('running')
    writeFileSync(join(host.rootfs, 'tmp', id), '')
    expect(await host.runtime.waitContainer(later)).toMatchObject({ kind: 'code', code: 4 })
    await host.runtime.deleteContainer(later)
  }

  it('is found although the directory of the exit files was deleted and made anew', async () => {
    const container = await host.start(endsAtFile(`/tmp/anew-${handler}`, 5))
    replaceDirectory(host.config.containerExitsDir)
    writeFileSync(join(host.rootfs, 'tmp', `anew-${handler}`), '')
    expect(await host.runtime.waitContainer(container)).toMatchObject({ kind: 'code', code: 5 })
    await host.runtime.deleteContainer(container)
  })

  it('of twenty containers at once is not lost while the embedder is busy', async () => {
    const codes = Array.from({ length: 20 }, (_, index) => index)
    const containers = await inLanes(codes.length, 4, (index) =>
      host.start(endsAtFile(`/tmp/busy-${handler}`, index)),
    )
    const endMs = performance.now() + 2000
    writeFileSync(join(host.rootfs, 'tmp', `busy-${handler}`), '')
    while (performance.now() < endMs);
    expect(readdirSync(host.config.containerExitsDir).toSorted()).toEqual(
      containers.map(({ id }) => id).toSorted(),
    )
    const exits = await Promise.all(containers.map((container) => host.runtime.waitContainer(container)))
    expect(exits).toMatchObject(codes.map((code) => ({ kind: 'code', code })))
    await Promise.all(containers.map((container) => host.runtime.deleteContainer(container)))
  })
})
