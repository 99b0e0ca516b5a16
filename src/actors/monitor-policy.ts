/** What becomes of a container whose monitor has died; an embedder may decide for each. */
import type { Container } from '../container.ts'
import type { Logger } from '../surroundings/logger.ts'

/**
 * A container without monitor has lost its log, its attached clients and its exit code. `keep` lets it run on: its end is
 * still noticed, as unknown. `kill` ends it at once.
 *
 * Behind a shim a kept container can be signalled, paused, stopped and deleted; no command can be run in it, and what it
 * writes fails, since nobody reads it. One in a machine of its own is killed in any case: nobody reaches it any more.
 */
export type MonitorPolicy = 'keep' | 'kill'

/** Asked once for every monitor that dies. Must answer at once. */
export type MonitorPolicyOf = (container: Container) => MonitorPolicy

/** The embedder's answer, or `keep` where there is none that makes sense: a defect must not kill a container. */
export function containedPolicy(policyOf: MonitorPolicyOf | undefined, logger: Logger): MonitorPolicyOf {
  if (policyOf === undefined) return () => 'keep'
  return (container) => {
    try {
      const answer: unknown = policyOf(container)
      if (answer === 'keep' || answer === 'kill') return answer
      logger.error(
        { containerId: container.id },
        "onMonitorLost must answer 'keep' or 'kill'; the container is kept",
      )
    } catch (error) {
      logger.error({ containerId: container.id, err: error }, 'onMonitorLost threw; the container is kept')
    }
    return 'keep'
  }
}
