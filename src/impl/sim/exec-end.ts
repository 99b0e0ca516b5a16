/** Ending a command, and waiting for that no longer than one may. */
import type { Clock } from '../../surroundings/clock.ts'
import type { SimulatedExec } from './simulated-exec.ts'

/** A clock's timers take no more. */
const timerMaxMs = 2 ** 31 - 1
/** How long a command may take to end by KILL before it is given up on. */
const endLimitMs = 2000

/** KILL. True when it has ended within the limit; what has not is given up on. */
export async function endExec(clock: Clock, exec: SimulatedExec, limitMs = endLimitMs): Promise<boolean> {
  exec.kill()
  if (exec.isOver) return true
  const inTime = await within(clock, exec.ended, limitMs)
  if (!inTime) exec.giveUp()
  return inTime
}

/** Whether it came true within the limit. */
export async function within(clock: Clock, fact: Promise<unknown>, limitMs: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const timer = setLimit(clock, limitMs, () => late.resolve(false))
  const inTime = await Promise.race([fact.then(() => true), late.promise])
  clock.clearTimeout(timer)
  return inTime
}

/** A timer, unless there is no limit. */
export function setLimit(clock: Clock, limitMs: number, act: () => void): unknown {
  return limitMs === Infinity ? undefined : clock.setTimeout(act, Math.min(limitMs, timerMaxMs))
}
