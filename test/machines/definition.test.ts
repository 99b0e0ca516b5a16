import {
  and,
  createMachine,
  fromPromise,
  raise,
  setup,
  type AnyStateMachine,
  type AnyStateNode,
  type EventObject,
  type MachineContext,
} from 'xstate'
import { describe, expect, it } from 'vitest'
import { containerPhases } from '../../src/container.ts'
import { containerMachine } from '../../src/machines/container.machine.ts'
import { phaseOf, waitingForOf, type StateValue } from '../../src/machines/phase.ts'
import { nodesOf, pathOf, transitionsOf } from '../../src/model/state-nodes.ts'
import { lintDefinition } from './definition-lint.ts'

/** States that XState passes through within one step; nobody ever sees them. */
const transient = ['live.life.started', 'cleaning.cleaned', 'exiting.deciding', 'deleting.deciding']

const nodes = nodesOf(containerMachine.root)
const leaves = nodes.filter((node) => Object.keys(node.states).length === 0)

/** Every state value that has `leaf` in it; the other regions are at their initial states. */
function valueWith(leaf: AnyStateNode): StateValue {
  const path = pathOf(leaf)
  if (path.startsWith('live.monitor.')) return { live: { life: 'running', monitor: leaf.key } }
  const nested = leaf.path
    .toReversed()
    .reduce<StateValue>((inner, key) => (inner === '' ? key : { [key]: inner }), '')
  if (!path.startsWith('live.life.')) return nested
  const life = leaf.path.slice(2).toReversed()
  const value = life.reduce<StateValue>((inner, key) => (inner === '' ? key : { [key]: inner }), '')
  return { live: { life: value, monitor: 'alive' } }
}

describe('the definition of the container machine', () => {
  it('has no unknown names, no invoke without onError and timeout, no dead or unreachable states', () => {
    expect(lintDefinition(containerMachine, { end: 'deleted' })).toEqual([])
  })

  it('has exactly the phases of the contract', () => {
    const visible = leaves.filter((leaf) => !transient.includes(pathOf(leaf)))
    const phases = new Set(visible.map((leaf) => phaseOf(valueWith(leaf))))
    expect([...phases].toSorted()).toEqual(containerPhases.toSorted())
  })

  it.each(transient)('leaves %s at once, whatever the context', (path) => {
    const node = nodes.find((candidate) => pathOf(candidate) === path)
    const always = node?.always ?? []
    expect(always.length).toBeGreaterThan(0)
    expect(always.at(-1)?.guard).toBeUndefined()
    expect(always.at(-1)?.target).toHaveLength(1)
  })

  it('has no other state that is left at once for certain', () => {
    const certain = nodes.filter((node) => node.always?.some(({ guard }) => guard === undefined) === true)
    expect(certain.map(pathOf).toSorted()).toEqual(transient.toSorted())
  })

  it('leaves every phase that waits for something by more than a command', () => {
    const stuck = leaves.filter((leaf) => {
      if (transient.includes(pathOf(leaf)) || pathOf(leaf).startsWith('live.monitor.')) return false
      if (waitingForOf(phaseOf(valueWith(leaf))) === undefined) return false
      const line = nodes.filter((node) => pathOf(leaf).startsWith(pathOf(node)) && node.path.length > 0)
      const exits = line.flatMap(transitionsOf).filter(({ target }) => target !== undefined)
      return !exits.some(({ eventType }: { readonly eventType: string }) => !isCommandName(eventType))
    })
    expect(stuck.map(pathOf)).toEqual([])
  })

  it('lets an exit end every state that has a process', () => {
    const living = nodes.filter(({ path, parent }) => path.length === 3 && parent?.key === 'life')
    const deaf = living.filter(
      (node) => !(node.transitions.has('container.exited') && node.transitions.has('process.gone')),
    )
    expect(deaf.map(pathOf)).toEqual(['live.life.started'])
  })
})

function isCommandName(eventType: string): boolean {
  return /^container\.(create|start|pause|unpause|stop|delete)$/.test(eventType)
}

const effect = fromPromise(() => Promise.resolve())
const toy = setup({
  actors: { effect },
  actions: { known: () => undefined },
  guards: { maybe: () => true },
  delays: { soon: 10 },
})

const delayed = raise<MachineContext, EventObject, EventObject, undefined, 'someday', 'someday'>(
  { type: 'go' },
  { delay: 'someday' },
)

/** Each breaks one rule; the untyped ones are what XState's types let through as well. */
const broken: readonly (readonly [rule: string, machine: AnyStateMachine, finding: string])[] = [
  [
    'an invoke without onError',
    toy.createMachine({
      initial: 'a',
      states: { a: { invoke: { src: 'effect' }, after: { soon: 'end' } }, end: { type: 'final' } },
    }),
    'a: invokes effect without onError',
  ],
  [
    'an invoke without a timeout',
    toy.createMachine({
      initial: 'a',
      states: { a: { invoke: { src: 'effect', onDone: 'end', onError: 'end' } }, end: { type: 'final' } },
    }),
    'a: invokes effect without a timeout that leaves the state',
  ],
  [
    'a timeout that stays',
    toy.createMachine({
      initial: 'a',
      states: {
        a: {
          invoke: { src: 'effect', onDone: 'end', onError: 'end' },
          after: { soon: { actions: 'known' } },
        },
        end: { type: 'final' },
      },
    }),
    'a: invokes effect without a timeout that leaves the state',
  ],
  [
    'a timeout that a guard may stop',
    toy.createMachine({
      initial: 'a',
      states: {
        a: {
          invoke: { src: 'effect', onDone: 'end', onError: 'end' },
          after: { soon: { guard: 'maybe', target: 'end' } },
        },
        end: { type: 'final' },
      },
    }),
    'a: invokes effect without a timeout that leaves the state',
  ],
  [
    'an unknown actor',
    createMachine({
      initial: 'a',
      states: {
        a: { invoke: { src: 'nobody', onError: 'end' }, after: { 5: 'end' } },
        end: { type: 'final' },
      },
    }),
    'a: names the unknown actor nobody',
  ],
  [
    'an unknown action on entry',
    createMachine({
      initial: 'a',
      states: { a: { entry: 'nothing', on: { go: 'end' } }, end: { type: 'final' } },
    }),
    'a: names the unknown action nothing',
  ],
  [
    'an unknown action with params on a transition',
    createMachine({
      initial: 'a',
      states: {
        a: { on: { go: { target: 'end', actions: { type: 'nothing', params: {} } } } },
        end: { type: 'final' },
      },
    }),
    'a: names the unknown action nothing',
  ],
  [
    'an unknown guard',
    createMachine({
      initial: 'a',
      states: { a: { always: { guard: 'never', target: 'end' } }, end: { type: 'final' } },
    }),
    'a: names the unknown guard never',
  ],
  [
    'an unknown guard among combined ones',
    createMachine({
      initial: 'a',
      states: { a: { on: { go: { guard: and(['never']), target: 'end' } } }, end: { type: 'final' } },
    }),
    'a: names the unknown guard never',
  ],
  [
    'an unknown delay',
    createMachine({ initial: 'a', states: { a: { after: { someday: 'end' } }, end: { type: 'final' } } }),
    'a: names the unknown delay someday',
  ],
  [
    'an unknown delay of an action',
    createMachine({
      initial: 'a',
      states: {
        a: { entry: delayed, on: { go: 'end' } },
        end: { type: 'final' },
      },
    }),
    'a: names the unknown delay someday',
  ],
  [
    'a delay that no timer can hold',
    createMachine({ initial: 'a', states: { a: { after: { 2147483648: 'end' } }, end: { type: 'final' } } }),
    'a: waits 2147483648 ms, more than a timer can hold',
  ],
  [
    'a state that cannot be reached',
    createMachine({
      initial: 'a',
      states: { a: { on: { go: 'end' } }, b: { on: { go: 'end' } }, end: { type: 'final' } },
    }),
    'b: cannot be reached',
  ],
  [
    'a state without a way out',
    createMachine({
      initial: 'a',
      states: {
        a: { on: { go: 'end', fall: 'b' } },
        b: { on: { go: { actions: [] } } },
        end: { type: 'final' },
      },
    }),
    'b: has no way out',
  ],
  [
    'a circle that never ends',
    createMachine({
      initial: 'a',
      states: {
        a: { on: { go: 'end', fall: 'b' } },
        b: { on: { go: 'c' } },
        c: { on: { go: 'b' } },
        end: { type: 'final' },
      },
    }),
    'b: cannot reach end',
  ],
  [
    'a region that nothing leaves',
    createMachine({
      initial: 'a',
      states: {
        a: { on: { go: 'end', fall: 'b' } },
        b: { type: 'parallel', states: { x: { initial: 'y', states: { y: {} } }, z: {} } },
        end: { type: 'final' },
      },
    }),
    'b.x.y: cannot reach end',
  ],
]

describe('the lint', () => {
  it('has nothing to say against a sound machine', () => {
    const sound = toy.createMachine({
      initial: 'a',
      states: {
        a: {
          initial: 'asking',
          states: {
            asking: { entry: 'known', invoke: { src: 'effect', onDone: '#end', onError: 'waiting' } },
            waiting: { after: { soon: 'asking' } },
          },
          after: { 1000: { target: 'b' } },
        },
        b: {
          type: 'parallel',
          states: {
            x: { on: { go: { guard: 'maybe', target: '#end' } } },
            y: { on: { act: { actions: 'known' } } },
          },
        },
        end: { id: 'end', type: 'final' },
      },
    })
    expect(lintDefinition(sound, { end: 'end' })).toEqual([])
  })

  it.each(broken)('finds %s', (_, machine, finding) => {
    expect(lintDefinition(machine, { end: 'end' })).toContain(finding)
  })
})
