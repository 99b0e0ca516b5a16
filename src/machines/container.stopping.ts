/** How a container is stopped: thawed, asked, given its grace, and then killed until it dies. */
import { ends, observedGone } from './container.ends.ts'
import { idInput } from './container.errors.ts'
import { containerSetup as chart } from './container.setup.ts'

/** KILL again and again, with growing pauses: a process in uninterruptible sleep dies when it wakes. */
const killing = chart.createStateConfig({
  initial: 'sending',
  entry: ['noteDeadline', 'resetAttempts', 'armStuck'],
  exit: 'disarmStuck',
  states: {
    sending: {
      entry: 'countAttempt',
      invoke: {
        src: 'signal',
        input: ({ context }) => ({ id: context.id, which: 'kill' as const }),
        onDone: 'waiting',
        onError: 'waiting',
      },
      after: { signalTimeout: 'waiting' },
    },
    waiting: {
      after: {
        killBackoff: [
          { guard: 'frozenInVain', target: 'forcing' },
          { guard: 'maybeFrozen', target: 'thawing' },
          { target: 'sending' },
        ],
      },
    },
    thawing: {
      invoke: {
        src: 'resume',
        input: idInput,
        onDone: { target: 'sending', actions: 'noteThawed' },
        onError: 'sending',
      },
      after: { resumeTimeout: 'sending' },
    },
    forcing: {
      invoke: { src: 'cleanUp', input: idInput, onDone: 'sending', onError: 'sending' },
      after: { cleanUpTimeout: 'sending' },
    },
  },
  after: {
    stuckReport: {
      actions: {
        type: 'publish',
        params: ({ context }) => ({ type: 'stopStuck', killAttempts: context.attempts }),
      },
    },
  },
  on: {
    'container.stop': [
      { guard: 'nobodyAwaitsDeath', actions: ['accept', 'noteStop', 'disarmStuck', 'armStuck'] },
      { actions: ['accept', 'noteStop'] },
    ],
    'container.delete': [
      { guard: 'unforced', actions: 'refuse' },
      { guard: 'nobodyAwaitsDeath', actions: ['defer', 'disarmStuck', 'armStuck'] },
      { actions: 'defer' },
    ],
    'stop.stuck': { actions: 'replyStuck' },
    // Over: the deadline has had its effect.
    'deadline.reached': {},
  },
})

export const stopping = chart.createStateConfig({
  initial: 'signalling',
  entry: 'cancelWhatStopPrevents',
  // Kept while starting: nothing is left to be stopped.
  always: [
    { guard: 'exitReported', target: '#container.exiting' },
    { guard: 'processGone', target: '#container.exiting' },
  ],
  states: {
    thawing: {
      invoke: {
        src: 'resume',
        input: idInput,
        onDone: [
          { guard: 'stopDue', target: 'killing', actions: 'noteThawed' },
          { target: 'signalling', actions: 'noteThawed' },
        ],
        onError: 'killing',
      },
      after: { resumeTimeout: 'killing' },
      on: {
        // A KILL now would not end a frozen process: the thaw, which has a limit of its own, comes first.
        'deadline.reached': [
          { guard: 'deadlineFinal', actions: 'noteDeadline' },
          { actions: 'armDeadlineAgain' },
        ],
      },
    },
    signalling: {
      invoke: {
        src: 'signal',
        input: ({ context }) => ({ id: context.id, which: 'stop' as const }),
        onDone: 'grace',
        onError: 'grace',
      },
      after: { signalTimeout: 'grace' },
    },
    // A process may take its grace to the end; the deadline and the exit are the ways out.
    grace: {},
    killing,
  },
  on: {
    ...ends,
    // Somebody froze it meanwhile: where KILL waits for a thaw, the thaw must come.
    'container.observed': [observedGone, { guard: 'observedPaused', actions: 'noteFrozen' }],
    'container.stop': { actions: ['accept', 'noteStop'] },
    'container.delete': [{ guard: 'forced', actions: ['defer', 'noteStop'] }, { actions: 'refuse' }],
    'deadline.reached': [{ guard: 'deadlineFinal', target: '.killing' }, { actions: 'armDeadlineAgain' }],
  },
})
