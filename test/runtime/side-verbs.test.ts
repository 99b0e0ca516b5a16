/** Verbs beside a container's life: what they say where they cannot be done, and when. */
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { Container, ErrorCode, Runtime } from '../../src/index.ts'
import { bare } from '../support/bare-implementation.ts'
import { deaf, openStage, refusalOf, standing } from './stage.ts'

type Verb = (runtime: Runtime, container: Container) => Promise<unknown>

/** By their names in public. */
const optional: readonly (readonly [string, Verb])[] = [
  ['updateContainer', (runtime, container) => runtime.updateContainer(container, { pids: { limit: 10 } })],
  ['containerStats', (runtime, container) => runtime.containerStats(container)],
  ['reopenContainerLog', (runtime, container) => runtime.reopenContainerLog(container)],
  ['execSyncContainer', (runtime, container) => runtime.execSyncContainer(container, ['/bin/true'], 1)],
  ['startExec', (runtime, container) => runtime.startExec(container, ['/bin/true'])],
  ['attachContainer', (runtime, container) => runtime.attachContainer(container, {})],
  [
    'portForwardContainer',
    (runtime, container) => runtime.portForwardContainer(container, 80, new PassThrough()),
  ],
]
const verbs: readonly (readonly [string, Verb])[] = [
  ...optional,
  ['signalContainer', (runtime, container) => runtime.signalContainer(container, 'USR1')],
]

type Command = (runtime: Runtime, container: Container, signal?: AbortSignal) => Promise<unknown>

const sleeps = ['sleep', '1000']
const commands: readonly (readonly ['startExec' | 'execSync', Command])[] = [
  ['startExec', (runtime, container, signal) => runtime.startExec(container, sleeps, { signal })],
  ['startExec', (runtime, container, signal) => runtime.execContainer(container, sleeps, { signal })],
  ['execSync', (runtime, container, signal) => runtime.execSyncContainer(container, sleeps, 0, { signal })],
]

describe('an implementation that has only what it must have', () => {
  it.each(optional)('refuses %s by name', async (operation, verb) => {
    const { runtime, started } = await openStage({ wrap: bare })
    const container = await started()
    const refusal = await refusalOf(verb(runtime, container))
    expect(refusal).toMatchObject({ code: 'ERR_UNSUPPORTED', containerId: container.id, operation })
  })

  it('does everything else, whoever freezes or kills what it runs', async () => {
    const { runtime, clock, started, sim } = await openStage({ wrap: bare })
    const container = await started(deaf)
    sim.freezeFromOutside(container.id)
    await runtime.updateContainerStatus(container)
    expect(container.phase).toBe('paused')
    sim.thawFromOutside(container.id)
    await runtime.updateContainerStatus(container)
    await clock.runUntil(runtime.stopContainer(container, 1))
    expect(container.state.exitCode).toBe(137)
    await clock.runUntil(runtime.deleteContainer(container))
  })
})

describe('a verb beside the life of a container', () => {
  it('waits while the machine of the container is being rebuilt, which alone knows what is permitted', async () => {
    let poison = false
    const { runtime, clock, started, sim } = await openStage({
      wrap: (inner) => {
        const urgent = inner.exits.urgent.bind(inner.exits)
        inner.exits.urgent = (id, waiting) => {
          if (poison) throw new TypeError('poison')
          urgent(id, waiting)
        }
        return inner
      },
    })
    const container = await started(deaf)
    sim.inject(container.id, { effect: 'observe', fault: 'hang' })
    poison = true
    await refusalOf(runtime.stopContainer(container, 10))
    poison = false
    const attempts = verbs.map(([, verb]) => verb(runtime, container))
    for (const attempt of attempts) expect(await standing(clock, attempt)).toBe('waits')
    await clock.advance(20_000)
    await clock.runUntil(Promise.allSettled(attempts))
    expect(container.phase).toBe('running')
    await clock.runUntil(runtime.deleteContainer(container))
  })

  it.each(commands)(
    'ends at the abort of its caller although the runtime hangs: %s',
    async (effect, verb) => {
      const { runtime, clock, started, sim } = await openStage()
      const container = await started(deaf)
      sim.inject(container.id, { effect, fault: 'hang' })
      const abort = new AbortController()
      const attempt = verb(runtime, container, abort.signal)
      expect(await standing(clock, attempt)).toBe('waits')
      abort.abort()
      expect(await refusalOf(attempt)).toMatchObject({ code: 'ERR_ABORTED', containerId: container.id })
      await clock.runUntil(runtime.deleteContainer(container))
    },
  )

  it.each(commands)('has a limit although the runtime hangs: %s', async (effect, verb) => {
    const { runtime, clock, started, sim } = await openStage()
    const container = await started(deaf)
    sim.inject(container.id, { effect, fault: 'hang' })
    const refusal = refusalOf(verb(runtime, container))
    await clock.advance(60_000)
    expect(await refusal).toMatchObject({ code: 'ERR_TIMEOUT', containerId: container.id })
    expect(container.execs).toEqual([])
    await clock.runUntil(runtime.deleteContainer(container))
  })

  it.each(verbs)('is refused what it is too late for: %s', async (operation, verb) => {
    const { runtime, clock, started } = await openStage()
    const container = await started()
    await clock.runUntil(runtime.stopContainer(container, 0))
    const late = operation === 'containerStats' ? 'none' : 'ERR_WRONG_STATUS'
    const code: ErrorCode | 'none' = await verb(runtime, container).then(
      () => 'none',
      async (error: unknown) => (await refusalOf(Promise.reject(error))).code,
    )
    expect(code).toBe(late)
    await clock.runUntil(runtime.deleteContainer(container))
    expect((await refusalOf(verb(runtime, container))).code).toBe('ERR_NOT_FOUND')
  })
})
