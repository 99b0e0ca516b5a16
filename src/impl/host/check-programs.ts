/** Which versions the programs of the handlers are, and what is known against them. */
import { isOciError } from '../../errors/index.ts'
import type { CheckFinding } from '../check-port.ts'
import type { Launcher } from '../launcher/launcher.ts'
import { advisoriesOf, type KnownProgram } from './advisories.ts'

export interface ProgramToCheck {
  /** Its absolute path. Rejects with an OciError when there is none. */
  readonly path: () => Promise<string>
  readonly env: Readonly<Record<string, string>>
}

export interface ProgramCheck {
  readonly launcher: Pick<Launcher, 'run'>
  /** Names of advisories. */
  readonly acknowledged: readonly string[]
  readonly signal: AbortSignal
}

const versionTimeoutMs = 60_000
const versionPattern = /^(runc|crun|conmon) version (\S+)/m

/** Runs `--version` of each program once. Rejects with ERR_ABORTED, ERR_CLOSED, ERR_BUSY and ERR_LAUNCHER_LOST only. */
export async function checkPrograms(
  programs: readonly ProgramToCheck[],
  check: ProgramCheck,
): Promise<readonly CheckFinding[]> {
  const findings: CheckFinding[] = []
  const seen = new Set<string>()
  for (const { path, env } of programs) {
    const found = await path().catch((error: unknown) => missing(error))
    if (typeof found !== 'string') {
      findings.push(found)
      continue
    }
    if (seen.has(found)) continue
    seen.add(found)
    findings.push(...(await checkProgram(found, env, check)))
  }
  return findings
}

/** A program that a handler needs is not there: the first create would be told. */
function missing(error: unknown): CheckFinding {
  if (!isOciError(error)) throw error
  const { message, file, field } = error
  const remedy = `install it, or set ${field ?? 'its path'}`
  return {
    check: 'program',
    severity: 'error',
    subject: file ?? message,
    advisory: undefined,
    message,
    remedy,
  }
}

async function checkProgram(
  path: string,
  env: Readonly<Record<string, string>>,
  { launcher, acknowledged, signal }: ProgramCheck,
): Promise<readonly CheckFinding[]> {
  const command = { argv: [path, '--version'], env, timeoutMs: versionTimeoutMs } as const
  const { stdout } = await launcher.run(command, signal)
  const [, program, version = ''] = versionPattern.exec(stdout) ?? []
  const known = isKnown(program) ? advisoriesOf(program, version) : undefined
  if (known === undefined) {
    const message = `${path} does not say which version of runc, crun or conmon it is, so nothing is known of its security`
    const remedy = 'follow the advisories of its maker'
    return [{ check: 'version', severity: 'info', subject: path, advisory: undefined, message, remedy }]
  }
  return known.map(({ name, effect }) => ({
    check: 'advisory',
    severity: acknowledged.includes(name) ? 'info' : 'warning',
    subject: path,
    advisory: name,
    message: `${program} ${version} (${path}) is affected by ${name} upstream: ${effect}`,
    remedy: `update it; if your distribution has mended it in this version, list "${name}" in acknowledged_advisories`,
  }))
}

function isKnown(program: string | undefined): program is KnownProgram {
  return program !== undefined
}
