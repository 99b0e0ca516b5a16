/**
 * The states of a container that has a process: what may be asked of it, and how it is stopped. Beside them runs the
 * region `monitor`, since a container outlives its monitor.
 */
import { effectError, idInput, monitorLostError, timeoutError } from './container.errors.ts'
import { containerSetup as chart } from './container.setup.ts'

/** The process is gone, however that became known. */
const ends = {
  'container.exited': { target: '#container.exiting', actions: 'noteExit' },
  'process.gone': {
    target: '#container.exiting',
    actions: { type: 'noteGone', params: ({ event }: { event: { at: string } }) => ({ at: event.at }) },
  },
} as const

const observedGone = {
  guard: 'observedGone',
  target: '#container.exiting',
  actions: { type: 'noteGone', params: ({ event }: { event: { at: string } }) => ({ at: event.at }) },
} as const

/** A stop of something that may be frozen thaws it first: KILL alone does not end a frozen process everywhere. */
const stopsFrozen = {
  'container.stop': { target: '#container.live.life.stopping.thawing', actions: ['accept', 'noteStop'] },
  'container.delete': [
    { guard: 'forced', target: '#container.live.life.stopping.thawing', actions: ['defer', 'noteStop'] },
    { actions: 'refuse' },
  ],
} as const

const deletesByForce = [
  { guard: 'forced', target: '#container.live.life.stopping.killing', actions: ['defer', 'noteStop'] },
  { actions: 'refuse' },
] as const

/** Its init waits in the runtime, deaf to the stop signal: stopping it is killing it. */
const created = chart.createStateConfig({
  always: { guard: 'exitReported', target: '#container.exiting' },
  entry: 'takeDeferred',
  on: {
    ...ends,
    'container.start': { target: 'starting', actions: 'accept' },
    'container.stop': { target: 'stopping.killing', actions: ['accept', 'noteStop'] },
    'container.delete': deletesByForce,
    'container.observed': [
      observedGone,
      // By somebody else, or by a supervisor that died before it could say so.
      {
        guard: 'observedRunning',
        target: 'running',
        actions: [
          { type: 'noteStarted', params: ({ event }) => ({ started: event.at }) },
          { type: 'publish', params: { type: 'started' } },
        ],
      },
    ],
    // Starting it now would give neither exit nor log.
    'monitor.lost': {
      target: '#container.cleaning',
      actions: [
        { type: 'noteMonitorLost', params: ({ event }) => ({ at: event.at }) },
        { type: 'noteError', params: ({ context }) => monitorLostError(context) },
        { type: 'publish', params: { type: 'monitorLost' } },
      ],
    },
  },
})

const starting = chart.createStateConfig({
  invoke: {
    src: 'start',
    input: idInput,
    onDone: {
      target: 'started',
      actions: [
        { type: 'noteStarted', params: ({ event }) => event.output },
        { type: 'publish', params: { type: 'started' } },
        { type: 'succeed', params: { verbs: ['start'] } },
      ],
    },
    onError: {
      target: '#container.cleaning',
      actions: { type: 'noteStartFailed', params: ({ context, event }) => effectError(context, event) },
    },
  },
  after: {
    startTimeout: {
      target: '#container.cleaning',
      actions: {
        type: 'noteStartFailed',
        params: ({ context }) => timeoutError(context, 'started', 'startTimeoutMs'),
      },
    },
  },
  on: {
    'container.start': { actions: 'accept' },
    'container.pause': { actions: 'defer' },
    'container.stop': [
      {
        guard: 'stopAtOnce',
        target: 'stopping.killing',
        actions: ['accept', 'noteStop'],
      },
      { actions: ['accept', 'noteStop'] },
    ],
    'container.delete': [
      {
        guard: 'forced',
        target: 'stopping.killing',
        actions: ['defer', 'noteStop'],
      },
      { actions: 'refuse' },
    ],
    'deadline.reached': [
      { guard: 'deadlineFinal', target: 'stopping.killing' },
      { actions: 'armDeadlineAgain' },
    ],
    // Kept until the start is known: an exit before `started` would break the order of events.
    'container.exited': { actions: 'noteExit' },
    'process.gone': { actions: { type: 'noteGone', params: ({ event }) => ({ at: event.at }) } },
    'container.observed': {
      guard: 'observedGone',
      actions: { type: 'noteGone', params: ({ event }) => ({ at: event.at }) },
    },
  },
})

/** Where a successful start leads, depending on what happened meanwhile. */
const started = chart.createStateConfig({
  always: [
    { guard: 'exitReported', target: '#container.exiting' },
    { guard: 'processGone', target: '#container.exiting' },
    { guard: 'stopDue', target: 'stopping.killing' },
    { guard: 'stopRequested', target: 'stopping.signalling' },
    { target: 'running' },
  ],
})

const running = chart.createStateConfig({
  entry: 'takeDeferred',
  on: {
    ...ends,
    'container.pause': { target: 'pausing', actions: 'accept' },
    'container.stop': [
      { guard: 'stopAtOnce', target: 'stopping.killing', actions: ['accept', 'noteStop'] },
      { target: 'stopping.signalling', actions: ['accept', 'noteStop'] },
    ],
    'container.delete': deletesByForce,
    'container.observed': [
      observedGone,
      {
        guard: 'observedPaused',
        target: 'paused',
        actions: ['noteFrozen', { type: 'announceFreezer', params: { paused: true } }],
      },
    ],
  },
})

const pausing = chart.createStateConfig({
  entry: 'noteFrozen',
  invoke: {
    src: 'pause',
    input: idInput,
    onDone: {
      target: 'paused',
      actions: [
        { type: 'announceFreezer', params: { paused: true } },
        { type: 'succeed', params: { verbs: ['pause'] } },
      ],
    },
    onError: {
      target: 'observing',
      actions: {
        type: 'fail',
        params: ({ context, event }) => ({ verbs: ['pause'], ...effectError(context, event) }),
      },
    },
  },
  after: {
    pauseTimeout: {
      target: 'observing',
      actions: {
        type: 'fail',
        params: ({ context }) => ({ verbs: ['pause'], ...timeoutError(context, 'paused', 'pauseTimeoutMs') }),
      },
    },
  },
  on: {
    ...ends,
    ...stopsFrozen,
    'container.observed': observedGone,
    'container.pause': { actions: 'accept' },
    'container.unpause': { actions: 'defer' },
  },
})

const resuming = chart.createStateConfig({
  invoke: {
    src: 'resume',
    input: idInput,
    onDone: {
      target: 'running',
      actions: [
        'noteThawed',
        { type: 'announceFreezer', params: { paused: false } },
        { type: 'succeed', params: { verbs: ['unpause'] } },
      ],
    },
    onError: {
      target: 'observing',
      actions: {
        type: 'fail',
        params: ({ context, event }) => ({ verbs: ['unpause'], ...effectError(context, event) }),
      },
    },
  },
  after: {
    resumeTimeout: {
      target: 'observing',
      actions: {
        type: 'fail',
        params: ({ context }) => ({
          verbs: ['unpause'],
          ...timeoutError(context, 'resumed', 'resumeTimeoutMs'),
        }),
      },
    },
  },
  on: {
    ...ends,
    ...stopsFrozen,
    'container.observed': observedGone,
    'container.unpause': { actions: 'accept' },
    'container.pause': { actions: 'defer' },
  },
})

/** A pause or resume failed half-way: the freezer decides, asked until it answers. Who waits for that is told when it does not. */
const observing = chart.createStateConfig({
  initial: 'asking',
  entry: 'resetAttempts',
  states: {
    asking: {
      entry: 'countAttempt',
      invoke: {
        src: 'observe',
        input: idInput,
        onDone: [
          {
            guard: ({ event }) => event.output.status === 'paused',
            target: '#container.live.life.paused',
            actions: { type: 'announceFreezer', params: { paused: true } },
          },
          {
            guard: ({ event }) => event.output.status === 'stopped' || event.output.status === 'absent',
            target: '#container.exiting',
            actions: { type: 'noteGone', params: ({ event }) => ({ at: event.output.at }) },
          },
          {
            target: '#container.live.life.running',
            actions: ['noteThawed', { type: 'announceFreezer', params: { paused: false } }],
          },
        ],
        onError: [
          { guard: 'mayRetry', target: 'backingOff' },
          {
            target: 'backingOff',
            actions: {
              type: 'failDeferred',
              params: ({ context, event }) => ({
                verbs: ['pause', 'unpause'],
                ...effectError(context, event),
              }),
            },
          },
        ],
      },
      after: {
        observeTimeout: [
          { guard: 'mayRetry', target: 'backingOff' },
          {
            target: 'backingOff',
            actions: {
              type: 'failDeferred',
              params: ({ context }) => ({
                verbs: ['pause', 'unpause'],
                ...timeoutError(context, 'observed', 'observeTimeoutMs'),
              }),
            },
          },
        ],
      },
    },
    backingOff: { after: { retryBackoff: 'asking' } },
  },
  on: {
    ...ends,
    ...stopsFrozen,
    'container.observed': observedGone,
    'container.pause': { actions: 'defer' },
    'container.unpause': { actions: 'defer' },
  },
})

const paused = chart.createStateConfig({
  entry: 'takeDeferred',
  on: {
    ...ends,
    ...stopsFrozen,
    'container.unpause': { target: 'resuming', actions: 'accept' },
    'container.observed': [
      observedGone,
      {
        guard: 'observedRunning',
        target: 'running',
        actions: ['noteThawed', { type: 'announceFreezer', params: { paused: false } }],
      },
    ],
  },
})

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
      { guard: 'nobodyAwaitsDeath', actions: ['defer', 'disarmStuck', 'armStuck'] },
      { actions: 'defer' },
    ],
    'stop.stuck': { actions: 'replyStuck' },
    // Over: the deadline has had its effect.
    'deadline.reached': {},
  },
})

const stopping = chart.createStateConfig({
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
    'container.delete': [{ guard: 'forced', actions: ['defer', 'noteStop'] }, { actions: 'defer' }],
    'deadline.reached': [{ guard: 'deadlineFinal', target: '.killing' }, { actions: 'armDeadlineAgain' }],
  },
})

export const live = chart.createStateConfig({
  type: 'parallel',
  // A stop may have been asked for while starting, so its deadline is not the business of `stopping` alone.
  exit: 'disarmDeadline',
  states: {
    // First, so that it also decides where the end of the monitor is the end of the container.
    life: {
      initial: 'created',
      states: { created, starting, started, running, pausing, resuming, observing, paused, stopping },
    },
    monitor: {
      initial: 'alive',
      states: {
        alive: {
          on: {
            'monitor.lost': {
              target: 'lost',
              actions: [
                { type: 'noteMonitorLost', params: ({ event }) => ({ at: event.at }) },
                { type: 'publish', params: { type: 'monitorLost' } },
              ],
            },
          },
        },
        lost: {},
      },
    },
  },
})
