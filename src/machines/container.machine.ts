/**
 * The life of a container as a statechart; its vocabulary (guards, actions, delays) is `container.setup.ts`, the states
 * of a living container are `container.live.ts` and `container.stopping.ts`.
 *
 * Architecture invariant: every invoke has `onError` and a timeout, every waiting state has a way out, every request
 * gets exactly one reply, an exit always wins.
 */
import { cancelledError, effectError, idInput, monitorLostError, timeoutError } from './container.errors.ts'
import { live } from './container.live.ts'
import { containerSetup as chart } from './container.setup.ts'
import { exitWithoutEvidence, initialContext } from './context.ts'

/** A new container waits for `create`; an adopted one goes where the world was observed to be. */
const registered = chart.createStateConfig({
  always: [
    {
      guard: 'adoptUnmonitored',
      target: 'cleaning',
      actions: { type: 'noteError', params: ({ context }) => monitorLostError(context) },
    },
    { guard: 'adoptCreated', target: '#container.live.life.created' },
    {
      guard: 'adoptRunningUnmonitored',
      target: ['#container.live.life.running', '#container.live.monitor.lost'],
    },
    { guard: 'adoptRunning', target: '#container.live.life.running' },
    {
      guard: 'adoptPausedUnmonitored',
      target: ['#container.live.life.paused', '#container.live.monitor.lost'],
    },
    { guard: 'adoptPaused', target: '#container.live.life.paused' },
    { guard: 'adoptStopped', target: 'stopped' },
    { guard: 'adoptUncertain', target: 'cleaning' },
  ],
  on: {
    'container.create': { target: 'creating', actions: ['accept', 'noteCgroupParent'] },
  },
})

const creating = chart.createStateConfig({
  invoke: {
    src: 'create',
    input: ({ context }) => ({ id: context.id, cgroupParent: context.cgroupParent }),
    onDone: {
      target: 'live',
      actions: [
        { type: 'noteCreated', params: ({ event }) => event.output },
        { type: 'publish', params: ({ event }) => ({ type: 'created', pid: event.output.init.pid }) },
        { type: 'succeed', params: { verbs: ['create'] } },
      ],
    },
    onError: {
      target: 'cleaning',
      actions: { type: 'noteError', params: ({ context, event }) => effectError(context, event) },
    },
  },
  after: {
    createTimeout: {
      target: 'cleaning',
      actions: {
        type: 'noteError',
        params: ({ context }) => timeoutError(context, 'created', 'createTimeoutMs'),
      },
    },
  },
  on: {
    'container.create': { actions: 'accept' },
    'container.start': { actions: 'defer' },
    'container.stop': {
      target: 'cleaning',
      actions: ['accept', { type: 'noteError', params: ({ context }) => cancelledError(context, 'create') }],
    },
    'container.delete': [
      { guard: 'unforced', actions: 'refuse' },
      {
        target: 'cleaning',
        actions: ['defer', { type: 'noteError', params: ({ context }) => cancelledError(context, 'create') }],
      },
    ],
    // Kept: a container that is created with its exit reported already goes straight on to `exiting`.
    'container.exited': { actions: 'noteExit' },
  },
})

/** Undoes a create or start whose effect on the world is uncertain. */
const cleaning = chart.createStateConfig({
  initial: 'attempting',
  entry: 'resetAttempts',
  states: {
    attempting: {
      entry: 'countAttempt',
      invoke: {
        src: 'cleanUp',
        input: idInput,
        onDone: 'cleaned',
        onError: [
          { guard: 'mayRetry', target: 'backingOff' },
          { target: 'cleaned', actions: 'noteUncleaned' },
        ],
      },
      after: {
        cleanUpTimeout: [
          { guard: 'mayRetry', target: 'backingOff' },
          { target: 'cleaned', actions: 'noteUncleaned' },
        ],
      },
    },
    backingOff: { after: { retryBackoff: 'attempting' } },
    cleaned: {
      always: [
        { guard: 'neverCreated', target: '#container.failed', actions: 'announceFailed' },
        { target: '#container.exiting.recording', actions: 'settleWithoutEvidence' },
      ],
    },
  },
  on: {
    // Joins the create that failed; one that had succeeded is not asked for again.
    'container.create': [{ guard: 'neverCreated', actions: 'accept' }, { actions: 'refuse' }],
    'container.start': { actions: 'accept' },
    'container.stop': { actions: 'accept' },
    'container.delete': { actions: 'defer' },
  },
})

/** Creating failed and nothing is left; the id is reusable after `delete`. */
const failed = chart.createStateConfig({
  entry: 'takeDeferred',
  on: {
    'container.stop': { actions: 'replyDone' },
    'container.delete': { target: 'deleting', actions: ['accept', 'noteForced'] },
  },
})

/** The process is gone. Nobody is told before its exit is settled and on disk. */
const exiting = chart.createStateConfig({
  initial: 'deciding',
  entry: 'failWhatNeedsTheProcess',
  states: {
    deciding: {
      always: [
        { guard: 'exitReported', target: 'settling' },
        { guard: 'monitorIsLost', target: 'settling' },
        { target: 'awaitingFile' },
      ],
    },
    awaitingFile: {
      after: { exitFileWait: 'settling' },
      on: {
        'container.exited': { target: 'settling', actions: 'noteExit' },

        'monitor.lost': {
          target: 'settling',
          actions: { type: 'noteMonitorLost', params: ({ event }) => ({ at: event.at }) },
        },
      },
    },
    settling: {
      invoke: {
        src: 'settle',
        input: ({ context }) => ({
          id: context.id,
          reported: context.reported,
          exit: exitWithoutEvidence(context),
        }),
        onDone: {
          target: 'recording',
          actions: { type: 'noteSettled', params: ({ event }) => ({ exit: event.output }) },
        },
        onError: { target: 'recording', actions: 'settleWithoutEvidence' },
      },
      after: { settleTimeout: { target: 'recording', actions: 'settleWithoutEvidence' } },
      // Late, but not too late: until it is recorded, an exit that was given up on may still become known.
      on: { 'container.exited': { actions: 'noteExit' } },
    },
    recording: {
      invoke: {
        src: 'record',
        input: idInput,
        onDone: { target: '#container.stopped', actions: 'announceStopped' },
        onError: { target: '#container.stopped', actions: ['noteNotDurable', 'announceStopped'] },
      },
      after: {
        recordTimeout: { target: '#container.stopped', actions: ['noteNotDurable', 'announceStopped'] },
      },
    },
  },
  on: {
    'container.stop': { actions: 'accept' },
    'container.delete': { actions: 'defer' },
  },
})

const stopped = chart.createStateConfig({
  entry: 'takeDeferred',
  on: {
    'container.stop': { actions: 'replyDone' },
    'container.delete': { target: 'deleting', actions: ['accept', 'noteForced'] },
  },
})

const deleting = chart.createStateConfig({
  initial: 'attempting',
  entry: 'resetAttempts',
  exit: 'resetForced',
  states: {
    attempting: {
      entry: 'countAttempt',
      invoke: {
        src: 'delete',
        input: ({ context: { id, uncleaned, forced } }) => ({ id, uncleaned, forced }),
        onDone: '#container.deleted',
        onError: {
          target: 'deciding',
          actions: { type: 'noteError', params: ({ context, event }) => effectError(context, event) },
        },
      },
      after: {
        deleteTimeout: {
          target: 'deciding',
          actions: {
            type: 'noteError',
            params: ({ context }) => timeoutError(context, 'deleted', 'deleteTimeoutMs'),
          },
        },
      },
    },
    deciding: {
      always: [
        { guard: 'mayRetry', target: 'backingOff' },
        { guard: 'neverEnded', target: '#container.failed', actions: 'failDelete' },
        { target: '#container.stopped', actions: 'failDelete' },
      ],
    },
    backingOff: { after: { retryBackoff: 'attempting' } },
  },
  on: {
    'container.delete': { actions: ['accept', 'noteForced'] },
    'container.stop': { actions: 'replyDone' },
  },
})

export const containerMachine = chart.createMachine({
  id: 'container',
  context: ({ input }) => initialContext(input),
  initial: 'registered',
  states: {
    registered,
    creating,
    cleaning,
    failed,
    live,
    exiting,
    stopped,
    deleting,
    deleted: {
      type: 'final',
      entry: [
        { type: 'publish', params: { type: 'deleted' } },
        { type: 'succeed', params: { verbs: ['delete'] } },
      ],
    },
  },
  // Whatever a state does not name, it forbids.
  on: {
    'container.create': { actions: 'refuse' },
    'container.start': { actions: 'refuse' },
    'container.pause': { actions: 'refuse' },
    'container.unpause': { actions: 'refuse' },
    'container.stop': { actions: 'refuse' },
    'container.delete': { actions: 'refuse' },
  },
})

export type ContainerMachine = typeof containerMachine
