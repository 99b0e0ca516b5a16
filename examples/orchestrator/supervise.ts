/**
 * The orchestrating, for one container: create, start, do what the stack says, wait, delete. Every container has its
 * own; none of them waits for another.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isOciError, type ExitStatus, type Runtime } from 'oci-supervisor'
import type { Member } from './member.ts'
import type { Outcome } from './outcome.ts'

export interface Supervision {
  readonly stop: AbortSignal
  readonly stay: boolean
}

/**
 * Takes a container through its life and says what came of it. Never rejects, and leaves no container behind: what
 * fails is an outcome too. When `stop` is aborted the container is stopped with its grace. With `stay` it is kept until
 * then when it has ended, to be looked at.
 */
export async function supervise(
  runtime: Runtime,
  member: Member,
  { stop, stay }: Supervision,
): Promise<Outcome> {
  const outcome = await live(runtime, member, stop)
  try {
    if (stay) await abortOf(stop)
    // Also after a failed create: until then the failed container keeps its id and its error.
    await runtime.deleteContainer(member.container)
  } catch (error) {
    // ERR_NOT_FOUND: the runtime refused it before registering it, so there is nothing to delete.
    if (!(isOciError(error) && error.code === 'ERR_NOT_FOUND')) return { kind: 'failed', error }
  }
  return outcome
}

/** A timer, since nothing else of ours keeps the process alive: an inspector does not. */
async function abortOf(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await sleep(dayMs, undefined, { signal }).catch(() => undefined)
}

const dayMs = 86_400_000

async function live(runtime: Runtime, member: Member, stop: AbortSignal): Promise<Outcome> {
  const { container, entry } = member
  if (stop.aborted) return { kind: 'interrupted' }
  try {
    await runtime.createContainer(container, undefined, { signal: stop })
    await runtime.startContainer(container, { signal: stop })
    return await runUntilEnd(runtime, member, stop)
  } catch (error) {
    if (!stop.aborted) return { kind: 'failed', error }
  }
  // Aborting ended our waits, not the container. A create or start in flight is cancelled by the stop.
  try {
    await runtime.stopContainer(container, entry.graceSeconds)
    return { kind: 'interrupted' }
  } catch (error) {
    return { kind: 'failed', error }
  }
}

/** Follows the stack's instructions for as long as the container lives. */
async function runUntilEnd(runtime: Runtime, member: Member, stop: AbortSignal): Promise<Outcome> {
  const ended = new AbortController()
  const asked = { stop: false }
  const exited = runtime.waitContainer(member.container, { signal: stop })
  try {
    const signal = AbortSignal.any([stop, ended.signal])
    // A container that ends by itself ends the waiting for its next instruction.
    await Promise.race([exited, follow(runtime, member, { signal, asked })])
  } catch (error) {
    if (!hasEndedMeanwhile(error)) throw error
  } finally {
    ended.abort()
  }
  return exitedWith(await exited, member, asked.stop)
}

interface Following {
  readonly signal: AbortSignal
  /** Tells how far it came. */
  readonly asked: { stop: boolean }
}

async function follow(
  runtime: Runtime,
  { container, entry }: Member,
  { signal, asked }: Following,
): Promise<void> {
  if (entry.pauseForMs !== undefined) {
    await runtime.pauseContainer(container, { signal })
    await sleep(entry.pauseForMs, undefined, { signal })
    await runtime.unpauseContainer(container, { signal })
  }
  if (entry.stopAfterMs !== undefined) {
    await sleep(entry.stopAfterMs, undefined, { signal })
    asked.stop = true
    await runtime.stopContainer(container, entry.graceSeconds, { signal })
  }
}

function exitedWith(exit: ExitStatus, { entry }: Member, stopAsked: boolean): Outcome {
  return { kind: 'exited', exit, graceSeconds: stopAsked ? entry.graceSeconds : undefined }
}

/** Its exit was faster than our command: the exit is the outcome, not the refusal. */
function hasEndedMeanwhile(error: unknown): boolean {
  return isOciError(error) && (error.code === 'ERR_NOT_RUNNING' || error.code === 'ERR_WRONG_STATUS')
}
