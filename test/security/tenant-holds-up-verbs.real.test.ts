/**
 * A container that holds up its own commands: root in it may stop every process that enters its pid namespace, so that the
 * runtime waits for ever. Verbs answer all the same, nothing is left behind, and other containers do not notice.
 */
import { describe, expect, it } from 'vitest'
import type { Container, Runtime } from '../../src/index.ts'
import { codeOf, hostForTest, type RuntimeName } from '../e2e/facade-host.ts'
import { processesNaming, until } from '../e2e/oci-host.ts'
import { patience } from '../support/patience.ts'
import { descendsFrom, processes } from '../support/proc.ts'
import { makeContainerId } from '../support/temp-root.ts'

const stopsAll = `trap '' TERM; while :; do for p in /proc/[0-9]*; do p=\${p#/proc/}; [ $p = 1 ] || kill -STOP $p; done; done 2>/dev/null`
const sleeps = ['/bin/sleep', '1000']

/** In the place of `<runtime> exec` in containers called held: what the test waits for by its name. */
const heldUp = (how: string): string => `
case " $* " in *" exec "*" held"*) ${how}; exec sleep 100271;; esac`
const byTheRuntime = heldUp(':')
/** The runtime's parent is the monitor. */
const byTheMonitor = heldUp('kill -STOP $PPID')

type Verb = (runtime: Runtime, container: Container, signal?: AbortSignal) => Promise<unknown>
const verbs: readonly (readonly [string, Verb])[] = [
  ['startExec', (runtime, container, signal) => runtime.startExec(container, sleeps, { signal })],
  [
    'startExec with a terminal',
    (runtime, container, signal) =>
      runtime.startExec(container, sleeps, { tty: true, stdin: 'pipe', stdout: 'pipe', signal }),
  ],
  ['execContainer', (runtime, container, signal) => runtime.execContainer(container, sleeps, { signal })],
  [
    'execSyncContainer',
    (runtime, container, signal) => runtime.execSyncContainer(container, sleeps, 0, { signal }),
  ],
]
const trouble = [
  ['the runtime', byTheRuntime],
  ['the monitor', byTheMonitor],
] as const

const held = () => ({ options: { id: makeContainerId('held') } })
const nothingLeft = (root: string): Promise<void> =>
  until(
    'nothing of it is left',
    () => commandsOf(root).length === 0 && processesNaming('100271').length === 0,
  )

/** Monitors and runtimes of commands. */
function commandsOf(root: string): string[] {
  return processesNaming(`${root}/run/exec/`)
}

describe.each<RuntimeName>(['crun', 'runc'])('a command of %s that does not begin to run', (handler) => {
  it.each(trouble)(
    'for %s is killed at the limit for that, whichever verb has asked for it',
    async (_, wrapper) => {
      const limits = { execStartTimeoutMs: patience(3000) }
      const host = await hostForTest(handler, { wrapper, limits })
      const container = await host.run(sleeps, held())
      const codes = verbs.map(([, verb]) => codeOf(verb(host.runtime, container)))
      await until('all are listed', () => container.execs.length === 3)
      expect(container.execs.map(({ phase }) => phase)).toEqual(['starting', 'starting', 'starting'])
      expect(await Promise.all(codes)).toEqual(verbs.map(() => 'ERR_TIMEOUT'))
      await nothingLeft(host.root)
      await until('none is listed', () => container.execs.length === 0)
    },
  )

  it.each(trouble)('for %s ends with the abort of its caller, who waits no longer', async (_, wrapper) => {
    const host = await hostForTest(handler, { wrapper })
    const container = await host.run(sleeps, held())
    const abort = new AbortController()
    const codes = verbs.map(([, verb]) => codeOf(verb(host.runtime, container, abort.signal)))
    await until('all are held up', () => processesNaming('100271').length === verbs.length)
    abort.abort()
    expect(await Promise.all(codes)).toEqual(verbs.map(() => 'ERR_ABORTED'))
    await nothingLeft(host.root)
    await until('none is listed', () => container.execs.length === 0)
  })

  it('for the runtime ends with its container', async () => {
    const host = await hostForTest(handler, { wrapper: byTheRuntime })
    const container = await host.run(sleeps, held())
    const codes = verbs.map(([, verb]) => codeOf(verb(host.runtime, container)))
    await until('all are held up', () => processesNaming('100271').length === verbs.length)
    await host.runtime.stopContainer(container, 0)
    for (const code of await Promise.all(codes)) expect(code).toMatch(/^ERR_/)
    expect(container.execs).toEqual([])
    await nothingLeft(host.root)
  })

  it('takes no room from other containers', async () => {
    const host = await hostForTest(handler, { wrapper: byTheRuntime })
    const container = await host.run(sleeps, held())
    const other = await host.run(sleeps)
    const starts = Array.from({ length: 129 }, () => codeOf(host.runtime.startExec(container, sleeps)))
    expect(await Promise.race(starts)).toBe('ERR_BUSY')
    expect(await host.runtime.execSyncContainer(other, ['/bin/true'])).toMatchObject({ exitCode: 0 })
    await host.runtime.deleteContainer(container)
    await Promise.all(starts)
    await nothingLeft(host.root)
  })

  it('because its container stops every new process ends with an abort, as does its container', async () => {
    const host = await hostForTest(handler)
    const container = await host.run(['/bin/sh', '-c', stopsAll])
    const abort = new AbortController()
    const { signal } = abort
    const starts = Array.from({ length: 6 }, () =>
      codeOf(host.runtime.startExec(container, sleeps, { signal })),
    )
    await until('one is stopped', () => stoppedOf(container).length > 0)
    abort.abort()
    for (const code of await Promise.all(starts)) expect(['undefined', 'ERR_ABORTED']).toContain(code)
    await nothingLeft(host.root)
    await until('none is listed', () => container.execs.length === 0)
    await host.runtime.deleteContainer(container)
  })
})

/** Stopped processes below a monitor that names the container: the runtime's own, on their way into it. */
function stoppedOf({ id }: Container): unknown[] {
  const all = processes()
  const monitors = new Set(
    [...all.values()].filter(({ command }) => command.includes(id)).map(({ pid }) => pid),
  )
  return [...all.values()].filter((one) => one.state === 'T' && descendsFrom(one, monitors, all))
}
