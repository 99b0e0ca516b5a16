/**
 * Binds the machine's slots to the effect port, once per runtime: one machine serves all containers, each effect finds
 * its container by id. (A machine provided per actor costs ten times the memory.)
 */
import { fromPromise } from 'xstate'
import { timestampOf, type Clock } from '../surroundings/clock.ts'
import type { Container, ExitStatus, Timestamp } from '../container.ts'
import { inContext, isOciError, OciError, toOciError, type ContainerOperation } from '../errors/index.ts'
import type { Created, ProcessIdentity, RuntimeImpl } from '../impl/runtime-impl.ts'
import type { Logger } from '../surroundings/logger.ts'
import type { ContainerLimits } from '../machines/delays.ts'
import { containerMachine, type ContainerMachine } from '../machines/container.machine.ts'
import { exitStatusOf, type ExitReport } from '../machines/context.ts'
import type {
  CreateInput,
  CreateOutput,
  DeleteInput,
  EffectInput,
  ObserveOutput,
  SettleInput,
  SignalInput,
} from '../machines/effects.ts'
import { isStarted, observe } from './look.ts'
import type { RunningEffects } from './running-effects.ts'

/** What an effect needs of the container it is for. */
export interface EffectScope {
  readonly limits: ContainerLimits
  readonly container: Container
  readonly impl: RuntimeImpl
  readonly clock: Clock
  readonly logger: Logger
  readonly effects: RunningEffects
  /** The init process as the machine knows it. */
  readonly init: ProcessIdentity | undefined
  /** The exit as far as the machine has been told of it. */
  readonly reported: ExitReport | undefined
  ownsProcess(): boolean
  /** True while it has no place in the state directory: what bears its id in the world is another's. */
  readonly isUntouched: boolean
  /** Before anything is created: its place in the state directory. */
  prepare(): Promise<void>
  /** A create succeeded: the monitor is to be watched. */
  created(created: Created): void
  /** Resolves once the state as it is now is on disk. */
  record(): Promise<void>
  /** Ends the commands in the container. False when some had to be given up. */
  endExecs(limitMs: number): Promise<boolean>
  /** KILL alone does not end what somebody else has frozen: the machine thaws what it knows to be frozen. Never rejects. */
  lookAtFreezer(): Promise<void>
  /** After the runtime has forgotten the container: its place in the state directory. */
  forget(): Promise<void>
}

const SIGKILL = 9
/** For a container's commands, once it has ended itself: they have been killed, so more than this is a command that hangs. */
const execsEndMs = 30_000

export function bindEffects(find: (id: string) => EffectScope): ContainerMachine {
  /** Its errors name the container and, where it does the work of one, the public verb: however deep they come from. */
  function effect<Output, Input extends EffectInput>(
    operation: ContainerOperation | undefined,
    run: (scope: EffectScope, input: Input, signal: AbortSignal) => Promise<Output>,
  ) {
    return fromPromise<Output, Input>(async ({ input, signal: left }) => {
      const scope = find(input.id)
      try {
        return await scope.effects.run(left, (signal) => run(scope, input, signal))
      } catch (error) {
        const failure = toOciError(error, 'ERR_RUNTIME_FAILED')
        throw inContext(failure, { containerId: input.id, operation })
      }
    })
  }
  return containerMachine.provide({
    actors: {
      create: effect<CreateOutput, CreateInput>('createContainer', create),
      start: effect<{ readonly started: Timestamp }, EffectInput>('startContainer', start),
      pause: effect<void, EffectInput>('pauseContainer', ({ impl, container, limits }, _, signal) =>
        impl.pause(container, { signal, timeoutMs: limits.pauseTimeoutMs }),
      ),
      resume: effect<void, EffectInput>('unpauseContainer', ({ impl, container, limits }, _, signal) =>
        impl.resume(container, { signal, timeoutMs: limits.resumeTimeoutMs }),
      ),
      observe: effect<ObserveOutput, EffectInput>('updateContainerStatus', async (scope, _, signal) => {
        const { status } = await observe(scope, signal)
        return { status, at: timestampOf(scope.clock) }
      }),
      signal: effect<void, SignalInput>('stopContainer', async (scope, { which }, signal) => {
        const { impl, container, init } = scope
        if (init === undefined) throw noProcess(container.id)
        await impl.signal(container, init, which === 'kill' ? SIGKILL : container.stopSignal, { signal })
        if (which === 'kill' && !signal.aborted) await scope.lookAtFreezer()
      }),
      // After a failure or an exit, whatever was asked for: the error of that keeps its name.
      cleanUp: effect<void, EffectInput>(undefined, async ({ impl, container, isUntouched }, _, signal) => {
        if (!isUntouched) await impl.cleanUp(container, { signal })
      }),
      settle: effect<ExitStatus, SettleInput>(undefined, settle),
      record: effect<void, EffectInput>(undefined, (scope) => scope.record()),
      delete: effect<void, DeleteInput>('deleteContainer', async (scope, input, signal) => {
        if (!scope.isUntouched) await remove(scope, input, signal)
        throwIfLeft(signal, scope.container.id)
        await scope.forget()
      }),
    },
  })
}

/** A runtime does not delete what lives, and what a clean-up has left behind may. */
async function remove(
  { impl, container }: EffectScope,
  { uncleaned, forced }: DeleteInput,
  signal: AbortSignal,
): Promise<void> {
  if (uncleaned) return impl.cleanUp(container, { signal })
  try {
    return await impl.delete(container, { signal })
  } catch (error) {
    // Its exit was recorded, and the runtime knows better: what was recorded may have been tampered with.
    if (!forced || !isOciError(error) || error.code !== 'ERR_WRONG_STATUS') throw error
    return impl.cleanUp(container, { signal })
  }
}

async function create(
  scope: EffectScope,
  { cgroupParent }: CreateInput,
  signal: AbortSignal,
): Promise<CreateOutput> {
  const { impl, container, clock, limits } = scope
  await scope.prepare()
  // The disk may take its time; a create that was given up meanwhile must not begin.
  throwIfLeft(signal, container.id)
  const timeoutMs = limits.createTimeoutMs
  const created = await impl.create(container, { signal, timeoutMs, cgroupParent })
  throwIfLeft(signal, container.id)
  scope.created(created)
  return { init: created.init, monitor: created.monitor, created: timestampOf(clock) }
}

/**
 * A failure says nothing of a container that runs all the same: somebody else has started it, or the runtime has and
 * could not say so. What fails to start is killed, so that is looked at first.
 */
async function start(
  scope: EffectScope,
  _: EffectInput,
  signal: AbortSignal,
): Promise<{ readonly started: Timestamp }> {
  const { impl, container, clock, limits, logger } = scope
  // Before it is asked for, as its first output and even its exit may be earlier than the runtime's answer.
  const started = timestampOf(clock)
  try {
    await impl.start(container, { signal, timeoutMs: limits.startTimeoutMs })
  } catch (error) {
    // Without its monitor it would give neither exit nor log.
    const isLost = isOciError(error) && error.code === 'ERR_MONITOR_LOST'
    if (isLost || signal.aborted || !(await runsAllTheSame(scope, signal))) throw error
    logger.warn({ containerId: container.id, err: error }, 'a start failed, but the container runs')
  }
  return { started }
}

async function runsAllTheSame(scope: EffectScope, signal: AbortSignal): Promise<boolean> {
  try {
    return await isStarted(scope, signal)
  } catch (error) {
    const fields = { containerId: scope.container.id, err: error }
    scope.logger.warn(fields, 'whether a container that failed to start runs cannot be seen')
    return false
  }
}

/** Gathers what is still to be had of an exit: the exit itself is never lost for it. */
async function settle(
  scope: EffectScope,
  { reported, exit }: SettleInput,
  signal: AbortSignal,
): Promise<ExitStatus> {
  const { impl, container, logger } = scope
  // The law: commands in the container end before it does, or are given up.
  const haveEnded = await attempt(scope, 'the commands in the container could not be ended', () =>
    scope.endExecs(execsEndMs),
  )
  if (haveEnded === false)
    logger.warn({ containerId: container.id }, 'a command in the container has not ended with it')
  await attempt(scope, 'what outlived the init process could not be killed', () =>
    impl.killRemaining(container, { signal }),
  )
  const found = reported ?? (await lastReport(scope))
  if (found === undefined) return exit
  const oomKilled = await attempt(scope, 'whether the kernel ran out of memory could not be read', () =>
    impl.oomKilled(container, found.code, { signal }),
  )
  return exitStatusOf(found, oomKilled ?? false)
}

/**
 * Nothing is unknown that a look would still find: timers that were up while our own event loop stood still come before the
 * report that has arrived meanwhile. A look that fails says nothing: the exit is unknown then, as it was before.
 */
async function lastReport(scope: EffectScope): Promise<ExitReport | undefined> {
  const { impl, container } = scope
  await attempt(scope, 'exits cannot be looked for once more', () => impl.exits.scan())
  if (scope.reported !== undefined) return scope.reported
  return attempt(scope, 'the copy of the exit that the monitor keeps cannot be read', () =>
    impl.unreportedExit?.(container),
  )
}

/** What fails is logged, and keeps nothing from being done after it. */
async function attempt<Result>(
  { container, logger }: EffectScope,
  complaint: string,
  work: () => Promise<Result> | undefined,
): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    logger.warn({ containerId: container.id, err: error }, complaint)
    return undefined
  }
}

function throwIfLeft(signal: AbortSignal, containerId: string): void {
  if (!signal.aborted) return
  throw new OciError('ERR_ABORTED', 'nobody waits for this any more', { containerId, cause: signal.reason })
}

function noProcess(containerId: string): OciError {
  return new OciError('ERR_NOT_RUNNING', `container ${containerId} has no process`, { containerId })
}
