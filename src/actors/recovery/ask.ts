/**
 * Asks the runtime about a created container: a start that was under way when the supervisor ended may have succeeded.
 * Nobody else would say so, and whoever believed otherwise would wait for its start.
 */
import { withLimit } from '../../surroundings/abort.ts'
import { timestampOf } from '../../surroundings/clock.ts'
import { backoffMs } from '../../machines/delays.ts'
import type { ContainerActor } from '../container.actor.ts'
import { limitOf, observe, tellsOfStart } from '../look.ts'

const retryMinMs = 1000
const retryMaxMs = 30_000

/** Rejects when the runtime does not answer; it is asked again then, until it does or the answer is of no use any more. */
export async function askRuntime(actor: ContainerActor): Promise<void> {
  try {
    await askOnce(actor)
  } catch (error) {
    askLater(actor, 0)
    throw error
  }
}

async function askOnce(actor: ContainerActor): Promise<void> {
  const { clock, phaseCount } = actor
  const observation = await withLimit(limitOf(actor), (signal) => observe(actor, signal))
  // Whatever has happened since says more.
  if (actor.phaseCount !== phaseCount || !tellsOfStart(observation)) return
  actor.fact({ type: 'container.observed', status: observation.status, at: timestampOf(clock) })
}

function askLater(actor: ContainerActor, failures: number): void {
  actor.clock.setTimeout(
    () => {
      if (!actor.mayRun || actor.phase !== 'created') return
      askOnce(actor).catch(() => {
        askLater(actor, failures + 1)
      })
    },
    backoffMs(retryMinMs, failures, retryMaxMs),
  )
}
