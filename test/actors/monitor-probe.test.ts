import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { SimulatedClock } from 'xstate'
import {
  createMonitorProbe,
  readsPerPassMax,
  type MonitorProbeOptions,
} from '../../src/actors/monitor-probe.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import { killProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import type { ProcessIdentity } from '../../src/impl/runtime-impl.ts'
import { eventually } from '../support/eventually.ts'

function start(command: string, args: readonly string[]): { child: ChildProcess; identity: ProcessIdentity } {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, identity: identityOf(child.pid) }
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout !== null) for await (const line of createInterface(child.stdout)) return line
  throw new Error('the child said nothing')
}

function identityOf(pid: number | undefined): ProcessIdentity {
  const identity = pid === undefined ? undefined : readIdentitySync(pid)
  if (identity === undefined) throw new Error(`process ${pid} should live`)
  return identity
}

function openProbe(options: MonitorProbeOptions = {}): ReturnType<typeof createMonitorProbe> {
  const probe = createMonitorProbe(options)
  onTestFinished(() => {
    probe.close()
  })
  return probe
}

/** Lets one pass happen. */
async function pass(clock: SimulatedClock, passed: () => boolean): Promise<void> {
  clock.increment(500)
  await eventually(() => expect(passed()).toBe(true))
  await new Promise((resolve) => setImmediate(resolve))
}

const fakeProcesses = (count: number): ProcessIdentity[] =>
  Array.from({ length: count }, (_, index) => ({ pid: 100_000 + index, startTicks: '1' }))

describe('the probe', () => {
  it('lets the event loop turn between a thousand processes and the next', async () => {
    const clock = new SimulatedClock()
    let asked = 0
    let askedInFirstTurn = 0
    const probe = openProbe({
      clock,
      exists: () => {
        asked += 1
        if (asked === 1) setImmediate(() => (askedInFirstTurn = asked))
        return true
      },
      observe: () => Promise.resolve('alive'),
    })
    for (const identity of fakeProcesses(2500)) probe.watch(identity, () => undefined)
    await pass(clock, () => asked === 2500)
    expect(askedInFirstTurn).toBe(1000)
  })

  it('says once that a process is gone, and only of that process', async () => {
    const probe = openProbe({ intervalMs: 10 })
    const [one, two] = [start('sleep', ['60']), start('sleep', ['60'])]
    const gone: string[] = []
    probe.watch(one.identity, () => gone.push('one'))
    probe.watch(two.identity, () => gone.push('two'))
    one.child.kill('SIGKILL')
    await eventually(() => expect(gone).toEqual(['one']))
    two.child.kill('SIGKILL')
    await eventually(() => expect(gone).toEqual(['one', 'two']))
    expect(probe.size).toBe(0)
  })

  it('sees through a zombie', async () => {
    const probe = openProbe({ intervalMs: 10 })
    const { child } = start('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'])
    const identity = identityOf(Number(await firstLine(child)))
    const gone = vi.fn<() => void>()
    probe.watch(identity, gone)
    killProcess(identity, 9)
    await eventually(() => expect(gone).toHaveBeenCalledTimes(1))
  })

  it('sees that the pid belongs to another process by now', async () => {
    const probe = openProbe({ intervalMs: 10 })
    const { identity } = start('sleep', ['60'])
    const gone = vi.fn<() => void>()
    probe.watch({ pid: identity.pid, startTicks: '1' }, gone)
    await eventually(() => expect(gone).toHaveBeenCalledTimes(1))
  })

  it('tells every listener of a process, also when one throws', async () => {
    const errors: object[] = []
    const probe = openProbe({
      intervalMs: 10,
      logger: { ...silentLogger, error: (fields) => errors.push(fields) },
    })
    const { child, identity } = start('sleep', ['60'])
    const gone = vi.fn<() => void>()
    probe.watch(identity, () => {
      throw new Error('no')
    })
    probe.watch(identity, gone)
    child.kill('SIGKILL')
    await eventually(() => expect(gone).toHaveBeenCalledTimes(1))
    expect(errors).toHaveLength(1)
  })

  it('has a timer only while it watches something', async () => {
    const clock = new SimulatedClock()
    const timers = vi.spyOn(clock, 'setTimeout')
    const cleared = vi.spyOn(clock, 'clearTimeout')
    const probe = openProbe({ clock })
    expect(timers).not.toHaveBeenCalled()
    const { identity } = start('sleep', ['60'])
    const unwatch = probe.watch(identity, () => undefined)
    const unwatchOther = probe.watch(identity, () => undefined)
    expect(timers).toHaveBeenCalledTimes(1)
    unwatch()
    unwatch()
    expect(cleared).not.toHaveBeenCalled()
    unwatchOther()
    expect(cleared).toHaveBeenCalledTimes(1)
  })

  it('does not keep its process alive', async () => {
    const program = `
      const { createMonitorProbe } = await import(process.argv[1])
      createMonitorProbe().watch({ pid: ${process.pid}, startTicks: ${JSON.stringify(identityOf(process.pid).startTicks)} }, () => {})
      console.log('watching')`
    const module = new URL('../../src/actors/monitor-probe.ts', import.meta.url).href
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, module], { stdio: 'ignore' })
    onTestFinished(() => void child.kill('SIGKILL'))
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('is silent about a process whose watch has ended, even in the middle of a look', async () => {
    const clock = new SimulatedClock()
    let answer: ((state: 'gone') => void) | undefined
    const observe = (): Promise<'gone'> => new Promise((resolve) => (answer = resolve))
    const probe = openProbe({ clock, exists: () => true, observe })
    const gone = vi.fn<() => void>()
    const [identity] = fakeProcesses(1)
    if (identity === undefined) throw new Error('no process')
    const unwatch = probe.watch(identity, gone)
    await pass(clock, () => answer !== undefined)
    unwatch()
    answer?.('gone')
    await new Promise((resolve) => setImmediate(resolve))
    expect(gone).not.toHaveBeenCalled()
  })

  it('takes an error for no answer: it complains once and looks again', async () => {
    const clock = new SimulatedClock()
    const errors: object[] = []
    let looks = 0
    const probe = openProbe({
      clock,
      logger: { ...silentLogger, error: (fields) => errors.push(fields) },
      exists: () => true,
      observe: async () => {
        looks += 1
        if (looks < 4) throw new Error('EMFILE')
        return 'gone'
      },
    })
    const gone = vi.fn<() => void>()
    for (const identity of fakeProcesses(1)) probe.watch(identity, gone)
    for (const expected of [1, 2, 3]) {
      await pass(clock, () => looks === expected)
      expect(gone).not.toHaveBeenCalled()
    }
    await pass(clock, () => looks === 4)
    expect(gone).toHaveBeenCalledTimes(1)
    expect(errors).toHaveLength(1)
  })

  it('reads no more than its share of /proc in one pass, a few at a time, and everybody in turn', async () => {
    const clock = new SimulatedClock()
    const looked: number[] = []
    let atOnce = 0
    let atOnceMost = 0
    const probe = openProbe({
      clock,
      exists: () => true,
      observe: async ({ pid }) => {
        atOnce += 1
        atOnceMost = Math.max(atOnceMost, atOnce)
        await new Promise((resolve) => setImmediate(resolve))
        atOnce -= 1
        looked.push(pid)
        return 'alive'
      },
    })
    const processes = fakeProcesses(readsPerPassMax * 3)
    for (const identity of processes) probe.watch(identity, () => undefined)
    for (const passes of [1, 2, 3]) await pass(clock, () => looked.length === passes * readsPerPassMax)
    expect(new Set(looked).size).toBe(processes.length)
    expect(atOnceMost).toBeLessThanOrEqual(8)
  })

  it('notices a reaped process in the next pass, however many are watched', async () => {
    const clock = new SimulatedClock()
    const dead = new Set<number>()
    const probe = openProbe({ clock, exists: (pid) => !dead.has(pid), observe: async () => 'alive' })
    const gone: number[] = []
    const processes = fakeProcesses(5000)
    for (const { pid, startTicks } of processes) probe.watch({ pid, startTicks }, () => gone.push(pid))
    for (const { pid } of processes.slice(-2)) dead.add(pid)
    await pass(clock, () => gone.length === 2)
    expect(new Set(gone)).toEqual(dead)
  })

  it('is silent for ever once closed', async () => {
    const probe = openProbe({ intervalMs: 5 })
    const { child, identity } = start('sleep', ['60'])
    const gone = vi.fn<() => void>()
    probe.watch(identity, gone)
    probe.close()
    probe.watch(identity, gone)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(gone).not.toHaveBeenCalled()
    expect(probe.size).toBe(0)
  })
})
