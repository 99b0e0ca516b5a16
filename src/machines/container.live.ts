/**
 * The states of a container that has a process, and what may be asked of it. Beside them runs the region `monitor`, since
 * a container outlives its monitor. How it is stopped is `container.stopping.ts`.
 */
import { ends, observedGone } from './container.ends.ts'
import { effectError, idInput, monitorLostError, timeoutError } from './container.errors.ts'
import { containerSetup as chart } from './container.setup.ts'
import { stopping } from './container.stopping.ts'

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
      {
        guard: 'observedPaused',
        target: 'paused',
        actions: [
          { type: 'noteStarted', params: ({ event }) => ({ started: event.at }) },
          { type: 'publish', params: { type: 'started' } },
          'noteFrozen',
          { type: 'announceFreezer', params: { paused: true } },
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
