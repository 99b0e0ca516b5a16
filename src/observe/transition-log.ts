/** One line per event in a container's life, with what an operator greps for: container, from, to, duration. */
import type { ExecChange, PhaseChange } from '../actors/actor-world.ts'
import type { Logger } from '../surroundings/logger.ts'
import type { LifecycleEvent } from '../machines/events.ts'

export function logTransitions(
  logger: Logger,
  containerId: string,
  event: LifecycleEvent | PhaseChange | ExecChange,
): void {
  if (event.type === 'phase') {
    const { from, to, inPhaseMs } = event
    logger.debug({ containerId, from, to, inPhaseMs: Math.round(inPhaseMs) }, 'phase')
    return
  }
  const { type, ...facts } = event
  if (event.type === 'failed') logger.error({ containerId, err: event.error }, type)
  else if (event.type === 'monitorLost' || event.type === 'stopStuck')
    logger.warn({ containerId, ...facts }, type)
  else logger.info({ containerId, ...facts }, type)
}
