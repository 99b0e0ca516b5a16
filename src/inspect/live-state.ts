/** One container's state in full, as the page shows it. */
import { activeStates } from '../actors/start-actor.ts'
import { requestOf } from '../machines/events.ts'
import type { LiveState } from './protocol.ts'
import type { WatchedActor } from './watched.ts'
import { exitWords } from './words.ts'

export function liveState(
  { container, snapshot, sinceMs }: WatchedActor,
  nowMs: number,
  scrub: (message: string) => string,
): LiveState {
  const { context } = snapshot
  const { exit, error, stop } = context
  const { state } = container
  return {
    nowMs,
    phase: container.phase,
    status: state.status,
    sinceMs: Math.round(sinceMs),
    waitingFor: container.waitingFor,
    active: activeStates(snapshot),
    pid: state.pid,
    created: context.created,
    started: context.started,
    finished: exit?.finished,
    exit: exit === undefined ? undefined : exitWords(exit),
    error: error === undefined ? undefined : { code: error.code, message: scrub(error.message) },
    durable: state.durable,
    monitorLostAt: context.monitorLostAt,
    stop: stop && {
      requestedAt: stop.requestedAt,
      timeoutMs: Number.isFinite(stop.timeoutMs) ? stop.timeoutMs : null,
    },
    attempts: context.attempts,
    underWay: context.waiting.map(({ verb }) => verb),
    execs: container.execs.length,
    queued: context.deferred.map((command) => requestOf(command).verb),
  }
}
