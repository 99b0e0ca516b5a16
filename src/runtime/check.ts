/** The checks of all implementations, and the warnings that an operator gets of them when a runtime opens. */
import type { CheckFinding } from '../impl/check-port.ts'
import type { RuntimeImpl } from '../impl/runtime-impl.ts'
import type { Logger } from '../surroundings/logger.ts'

export async function checkImplementations(
  implementations: readonly RuntimeImpl[],
  signal: AbortSignal,
): Promise<readonly CheckFinding[]> {
  const findings: CheckFinding[] = []
  for (const implementation of implementations)
    findings.push(...((await implementation.check?.({ signal })) ?? []))
  return findings
}

/**
 * One line for each program with what is known against it. Runs beside the first verbs, which do not wait for it; `signal`
 * ends it. Never rejects.
 */
export async function warnOfFindings(
  implementations: readonly RuntimeImpl[],
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  try {
    const findings = await checkImplementations(implementations, signal)
    const serious = findings.filter(({ check, severity }) => check === 'advisory' && severity === 'warning')
    for (const [subject, found] of Map.groupBy(serious, (finding) => finding.subject)) {
      const advisories = found.map(({ advisory }) => advisory)
      const message = `${subject} has security holes that upstream has mended in later versions; your distribution may have mended them in this one: runtime.check() has the details`
      logger.warn({ program: subject, advisories }, message)
    }
  } catch (error) {
    // A missing program is told by the create that needs it; this one is about those that are there.
    if (!signal.aborted) logger.debug({ err: error }, 'the versions of the runtimes could not be checked')
  }
}
