/**
 * Every command in every state that forbids it, on real containers. What is forbidden is read off the machine: a command
 * that no transition of the state itself takes.
 */
import { describe, expect, it } from 'vitest'
import { getNextTransitions, type StateValue } from 'xstate'
import type { Container, ContainerPhase, Runtime } from '../../../src/index.ts'
import { containerMachine } from '../../../src/machines/container.machine.ts'
import { initialContext } from '../../../src/machines/context.ts'
import { defaultContainerLimits } from '../../../src/machines/delays.ts'
import { openBadHost, rejection, runtimeNames, type BadHost } from './bad-host.ts'

type Call = (runtime: Runtime, container: Container) => Promise<void>

const calls: Readonly<Record<string, readonly [string, Call]>> = {
  create: ['createContainer', (runtime, container) => runtime.createContainer(container)],
  start: ['startContainer', (runtime, container) => runtime.startContainer(container)],
  pause: ['pauseContainer', (runtime, container) => runtime.pauseContainer(container)],
  unpause: ['unpauseContainer', (runtime, container) => runtime.unpauseContainer(container)],
  stop: ['stopContainer', (runtime, container) => runtime.stopContainer(container, 10)],
  delete: ['deleteContainer', (runtime, container) => runtime.deleteContainer(container)],
}

const live = (life: string): StateValue => ({ live: { life, monitor: 'alive' } })

/** How a container gets into a state where it rests. */
const states: readonly (readonly [ContainerPhase, StateValue, (host: BadHost) => Promise<Container>])[] = [
  [
    'failed',
    'failed',
    async (host) => {
      const container = await host.container({ args: ['/nope'] })
      await rejection(host.runtime.createContainer(container))
      return container
    },
  ],
  ['created', live('created'), created],
  ['running', live('running'), running],
  [
    'paused',
    live('paused'),
    async (host) => {
      const container = await running(host)
      await host.runtime.pauseContainer(container)
      return container
    },
  ],
  [
    'stopped',
    'stopped',
    async (host) => {
      const container = await running(host)
      await host.runtime.stopContainer(container, 0)
      return container
    },
  ],
]

async function created(host: BadHost): Promise<Container> {
  const container = await host.container()
  await host.runtime.createContainer(container)
  return container
}

async function running(host: BadHost): Promise<Container> {
  const container = await created(host)
  await host.runtime.startContainer(container)
  return container
}

/** The commands that the machine takes in this state, by their short names. */
function permitted(value: StateValue): readonly string[] {
  const context = initialContext({ id: 'c1', limits: defaultContainerLimits })
  const snapshot = containerMachine.resolveState({ value, context })
  const own = getNextTransitions(snapshot).filter(({ source }) => source.parent !== undefined)
  return own
    .map(({ eventType }) => String(eventType).slice('container.'.length))
    .filter((name) => name in calls)
}

const rows = states.flatMap(([phase, value, arrive]) =>
  Object.entries(calls)
    .filter(([name]) => !permitted(value).includes(name))
    .map(([, [verb, call]]) => [verb, phase, value, arrive, call] as const),
)

describe.each(runtimeNames)('on %s', (runtime) => {
  it.each(rows)('%s of a %s container is refused and changes nothing', async (...row) => {
    const [verb, phase, value, arrive, call] = row
    const host = await openBadHost({ runtime })
    const container = await arrive(host)
    const before = container.state
    const error = await rejection(call(host.runtime, container))
    expect(error).toMatchObject({ code: 'ERR_WRONG_STATUS', containerId: container.id, operation: verb })
    expect(error.message).toContain(phase)
    expect(error.allowed).toHaveLength(new Set(permitted(value)).size)
    expect(container.phase).toBe(phase)
    expect(container.state).toEqual(before)
    await host.runtime.deleteContainer(container)
    expect(host.traces(container)).toEqual([])
  })

  it('everything but createContainer is refused for a container that is not registered, or deleted', async () => {
    const host = await openBadHost({ runtime })
    const stranger = await host.container()
    const deleted = await created(host)
    await host.runtime.deleteContainer(deleted)
    for (const container of [stranger, deleted]) {
      for (const [name, [verb, call]] of Object.entries(calls)) {
        if (name === 'create') continue
        const error = await rejection(call(host.runtime, container))
        expect(error).toMatchObject({ code: 'ERR_NOT_FOUND', containerId: container.id, operation: verb })
      }
    }
  })

  it('what is not forbidden by the state but by its argument is refused', async () => {
    const host = await openBadHost({ runtime })
    const container = await running(host)
    const wrong = host.runtime.stopContainer(container, Number.NaN)
    expect(await rejection(wrong)).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'timeoutSeconds' })
    for (const signal of ['NOPE', '', 0, -9, 65, 1.5]) {
      const error = await rejection(host.runtime.signalContainer(container, signal))
      expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'signal' })
    }
    expect(await rejection(host.runtime.deleteContainer(container, { force: false }))).toMatchObject({
      code: 'ERR_WRONG_STATUS',
      operation: 'deleteContainer',
    })
    expect(container.status).toBe('running')
    await host.runtime.deleteContainer(container)
    expect(host.traces(container)).toEqual([])
  })
})
