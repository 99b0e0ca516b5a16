import { describe, expect, it } from 'vitest'
import { containerPhases } from '../../src/container.ts'
import { phaseOf, statusOf, waitingForOf, type StateValue } from '../../src/machines/phase.ts'

/** What embedders read: status, and what is waited for. */
const words = {
  registered: [undefined, undefined],
  creating: [undefined, 'the runtime to create the container'],
  cleaning: [undefined, 'the clean-up of a failed create or start'],
  failed: [undefined, undefined],
  created: ['created', undefined],
  starting: ['created', 'the runtime to start the container'],
  running: ['running', undefined],
  pausing: ['running', 'the runtime to pause the container'],
  resuming: ['paused', 'the runtime to resume the container'],
  observing: ['running', 'the runtime to say whether the container is paused'],
  paused: ['paused', undefined],
  'stopping.thawing': ['running', 'the runtime to resume the container before it is stopped'],
  'stopping.signalling': ['running', 'the runtime to send the stop signal'],
  'stopping.grace': ['running', 'the process to end after the stop signal'],
  'stopping.killing': ['running', 'the process to die after KILL'],
  exiting: ['stopped', 'the exit to be settled and recorded'],
  stopped: ['stopped', undefined],
  deleting: ['stopped', 'the runtime to delete the container'],
  deleted: ['stopped', undefined],
} as const

const live = (life: StateValue | undefined): StateValue => ({ live: { life, monitor: 'alive' } })

describe('a phase', () => {
  it.each(containerPhases)('has its status and what it waits for: %s', (phase) => {
    expect([statusOf(phase), waitingForOf(phase)]).toEqual(words[phase])
  })

  it.each([
    ['registered', 'registered'],
    [{ cleaning: 'backingOff' }, 'cleaning'],
    [{ exiting: 'settling' }, 'exiting'],
    [live('running'), 'running'],
    [live({ observing: 'asking' }), 'observing'],
    [live({ stopping: 'grace' }), 'stopping.grace'],
    [live({ stopping: { killing: 'waiting' } }), 'stopping.killing'],
    // As XState names it before the region has its first state.
    [live(undefined), 'created'],
    [{ live: 'life' }, 'life'],
    [{}, 'registered'],
  ] as const)('is read off the state %j', (value, phase) => {
    expect(phaseOf(value)).toBe(phase)
  })
})
