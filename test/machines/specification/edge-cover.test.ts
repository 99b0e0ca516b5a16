import { describe, expect, it } from 'vitest'
import { assign, createMachine, setup, type AnyMachineSnapshot, type EventObject } from 'xstate'
import { coverEdges, type EdgeCover } from '../../../src/model/edge-cover.ts'

/** Paths as lists of events. */
function eventsOf({ paths }: EdgeCover<AnyMachineSnapshot, EventObject>): string[][] {
  return paths.map((path) => path.map(({ event }) => event.type))
}

const door = createMachine({
  initial: 'shut',
  states: {
    shut: { on: { open: { target: 'open' }, lock: { target: 'locked' }, knock: { target: 'shut' } } },
    open: { on: { shut: { target: 'shut' }, burn: { target: 'ashes' } } },
    locked: { on: { unlock: { target: 'shut' }, burn: { target: 'ashes' }, knock: { target: 'locked' } } },
    ashes: {},
  },
})
const doorEvents = ['open', 'shut', 'lock', 'unlock', 'knock', 'burn'].map((type) => ({ type }))

describe('a walk over all edges', () => {
  it('takes every edge of a machine, those that lead back to their own state too', () => {
    const cover = coverEdges(door, doorEvents)
    const taken = new Set(cover.paths.flat().map(({ key }) => key))
    expect(cover.statesCount).toBe(4)
    expect(cover.edges).toHaveLength(8)
    expect([...taken].toSorted()).toEqual(cover.edges.map(({ key }) => key).toSorted())
  })

  it('consists of paths that begin at the beginning and have no gaps', () => {
    for (const path of coverEdges(door, doorEvents).paths) {
      const ends = path.slice(0, -1).map(({ to }) => to.value)
      expect(path.map(({ from }) => from.value)).toEqual(['shut', ...ends])
    }
  })

  it('begins a new path only where nothing is left ahead', () => {
    expect(eventsOf(coverEdges(door, doorEvents))).toEqual([
      ['open', 'shut', 'lock', 'unlock', 'knock', 'open', 'burn'],
      ['lock', 'knock', 'burn'],
    ])
  })

  it('is one path where every state leads back', () => {
    const lamp = createMachine({
      initial: 'off',
      states: { off: { on: { press: 'on' } }, on: { on: { press: 'off' } } },
    })
    expect(eventsOf(coverEdges(lamp, [{ type: 'press' }]))).toEqual([['press', 'press']])
  })

  it('is the same each time', () => {
    expect(eventsOf(coverEdges(door, doorEvents))).toEqual(eventsOf(coverEdges(door, doorEvents)))
  })

  it('takes an event once for every context in which it can happen', () => {
    const coinTypes: { context?: { side: string }; events?: { type: 'heads' | 'tails' | 'spend' } } = {}
    const coin = setup({
      types: coinTypes,
    }).createMachine({
      context: { side: '' },
      initial: 'in.hand',
      states: {
        'in.hand': {
          on: {
            heads: { target: 'tossed', actions: assign({ side: 'heads' }) },
            tails: { target: 'tossed', actions: assign({ side: 'tails' }) },
          },
        },
        tossed: { on: { spend: { guard: ({ context }) => context.side === 'heads', target: 'spent' } } },
        spent: {},
      },
    })
    const cover = coverEdges(coin, [{ type: 'heads' }, { type: 'tails' }, { type: 'spend' }])
    expect(eventsOf(cover)).toEqual([['heads', 'spend'], ['tails']])
  })

  it('names the transitions that no reachable state takes', () => {
    const machine = createMachine({
      initial: 'here',
      states: {
        here: { on: { go: 'there', fly: { guard: () => false, target: 'moon' } } },
        there: { on: { fly: [{ guard: () => true, target: 'here' }, { target: 'moon' }] } },
        moon: { on: { go: 'here' } },
      },
    })
    const cover = coverEdges(machine, [{ type: 'go' }, { type: 'fly' }])
    expect(cover.unreachable).toEqual(['here on fly', 'there on fly', 'moon on go'])
    expect(coverEdges(door, doorEvents).unreachable).toEqual([])
  })

  it('names the transitions of events that it was not given', () => {
    const cover = coverEdges(
      door,
      doorEvents.filter(({ type }) => type !== 'knock'),
    )
    expect(cover.unreachable).toEqual(['shut on knock', 'locked on knock'])
  })

  it('refuses a machine that a throwing action ends', () => {
    const machine = createMachine({
      context: {},
      initial: 'here',
      states: {
        here: {
          on: {
            go: {
              target: 'there',
              actions: assign(() => {
                throw new Error('no way')
              }),
            },
          },
        },
        there: {},
      },
    })
    expect(() => coverEdges(machine, [{ type: 'go' }])).toThrow(/must be active|no way/)
  })

  it('refuses a machine that counts without end', () => {
    const counterTypes: { context?: { count: number }; events?: { type: 'more' } } = {}
    const counter = setup({
      types: counterTypes,
    }).createMachine({
      context: { count: 0 },
      on: { more: { actions: assign({ count: ({ context }) => context.count + 1 }) } },
    })
    expect(() => coverEdges(counter, [{ type: 'more' }], 20)).toThrow(/limit exceeded|more than 20/)
  })
})
