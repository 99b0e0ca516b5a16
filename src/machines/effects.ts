/**
 * The slots of the container machine: what it needs done, by name, with what goes in and what comes out.
 * The actors bind them once per runtime; unbound they reject, so that a machine on its own does nothing to the world.
 */
import { fromPromise } from 'xstate'
import type { ExitStatus, Timestamp } from '../container.ts'
import type { ExitReport, ProcessRecord } from './context.ts'

/** Every effect knows its container by id. */
export interface EffectInput {
  readonly id: string
}

export interface CreateInput extends EffectInput {
  readonly cgroupParent: string | undefined
}

export interface CreateOutput {
  readonly init: ProcessRecord
  readonly monitor: ProcessRecord | undefined
  readonly created: Timestamp
}

export interface SignalInput extends EffectInput {
  /** `stop` sends the container's own stop signal, `kill` SIGKILL. */
  readonly which: 'stop' | 'kill'
}

export interface SettleInput extends EffectInput {
  readonly reported: ExitReport | undefined
  /** The exit as it stands without further evidence. */
  readonly exit: ExitStatus
}

export interface DeleteInput extends EffectInput {
  /** A clean-up was given up: what is left may live, and has to be killed. */
  readonly uncleaned: boolean
  /** What is said to have stopped and lives all the same is to be killed. */
  readonly forced: boolean
}

export interface ObserveOutput {
  readonly status: 'created' | 'running' | 'paused' | 'stopped' | 'absent'
  readonly at: Timestamp
}

/** Parity: none of these blocks anything but its own container's machine. */
export const effectSlots = {
  create: slot<CreateOutput, CreateInput>('create'),
  start: slot<{ readonly started: Timestamp }, EffectInput>('start'),
  pause: slot<void, EffectInput>('pause'),
  resume: slot<void, EffectInput>('resume'),
  observe: slot<ObserveOutput, EffectInput>('observe'),
  signal: slot<void, SignalInput>('signal'),
  /** Kills and removes whatever is left of a container whose state is uncertain. */
  cleanUp: slot<void, EffectInput>('cleanUp'),
  /** Ends what outlived init and gathers the evidence of its exit. */
  settle: slot<ExitStatus, SettleInput>('settle'),
  /** Puts the state on disk; until it has, nobody is told of the exit. */
  record: slot<void, EffectInput>('record'),
  delete: slot<void, DeleteInput>('delete'),
}

function slot<Output, Input extends EffectInput>(name: string) {
  return fromPromise<Output, Input>(({ input }) => {
    return Promise.reject(new Error(`effect ${name} of container ${input.id} is not bound`))
  })
}
