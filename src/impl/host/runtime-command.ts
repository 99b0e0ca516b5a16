/**
 * Running one verb of an OCI runtime: `<runtime> --root <root> <verb> <id>`, and its failure as an error.
 *
 * Deliberately not here: `create`, which conmon runs, and what the runtime's words mean (errors/runtime-wording.ts).
 */
import { basename } from 'node:path'
import { OciError, type ErrorCode, type OciErrorDetails } from '../../errors/index.ts'
import { readRuntimeWords } from '../../errors/runtime-wording.ts'
import type { CommandResult, Launcher, NotStarted } from '../launcher/launcher.ts'
import { failedCommand } from './failed-command.ts'
import { runtimePath } from './programs.ts'
import type { HostWorld, RuntimePlace } from './world.ts'

/** What running a runtime takes. */
export type RuntimeWorld = Pick<HostWorld, 'config' | 'programs'> & {
  readonly launcher: Pick<Launcher, 'run'>
}

export interface RuntimeVerb {
  readonly verb: 'start' | 'pause' | 'resume' | 'update' | 'state' | 'kill' | 'delete'
  /** Before the id. */
  readonly flags?: readonly string[]
  /** After the id. */
  readonly operands?: readonly string[]
  /** When its caller gives up, if that is before the verb's own limit. */
  readonly timeoutMs?: number | undefined
}

/**
 * Backstops for runtimes that never return. The callers' own limits abort the command before; these also hold when
 * nobody waits any more.
 */
const timeoutsMs: Record<RuntimeVerb['verb'], number> = {
  start: 120_000,
  pause: 30_000,
  resume: 30_000,
  update: 30_000,
  state: 30_000,
  kill: 30_000,
  delete: 60_000,
}

const leadMaxMs = 2000

/** A command that ends by itself, just before its caller gives up, leaves an error that names it and its last words. */
export function justBefore(callerTimeoutMs: number): number {
  return callerTimeoutMs - Math.min(callerTimeoutMs / 5, leadMaxMs)
}

export function runtimeArguments(
  runtime: string,
  runtimeRoot: string,
  id: string,
  { verb, flags = [], operands = [] }: RuntimeVerb,
  systemdCgroup: boolean,
): readonly [string, ...string[]] {
  const global = ['--root', runtimeRoot, ...(systemdCgroup ? ['--systemd-cgroup'] : [])]
  return [runtime, ...global, verb, ...flags, id, ...operands]
}

/**
 * Runs a verb to its end and returns its standard output. Throws what the runtime's words mean, ERR_RUNTIME_FAILED when
 * they are not known, ERR_RUNTIME_NOT_FOUND, ERR_TIMEOUT, and what the launcher throws.
 */
export async function runRuntime(
  world: RuntimeWorld,
  place: RuntimePlace,
  verb: RuntimeVerb,
  signal: AbortSignal,
): Promise<string> {
  const { container, runtimeRoot, env } = place
  const runtime = await runtimePath(world, place)
  const systemd = world.config.cgroupManager === 'systemd'
  const argv = runtimeArguments(runtime, runtimeRoot, container.id, verb, systemd)
  const ownMs = timeoutsMs[verb.verb]
  const timeoutMs = verb.timeoutMs === undefined ? ownMs : Math.min(ownMs, justBefore(verb.timeoutMs))
  const result = await world.launcher.run({ argv, env, timeoutMs }, signal)
  if (result.exitCode === 0 && !result.timedOut) return result.stdout
  throw runtimeFailure(argv, result, { containerId: container.id, verb: verb.verb, timeoutMs })
}

interface FailureContext {
  readonly containerId: string
  readonly verb: RuntimeVerb['verb']
  readonly timeoutMs: number
}

function runtimeFailure(
  argv: readonly [string, ...string[]],
  result: CommandResult,
  { containerId, verb, timeoutMs }: FailureContext,
): OciError {
  const details = { containerId, command: failedCommand(argv, result) }
  if (result.notStarted !== undefined) return notStartedError(result.notStarted, details)
  const what = `${basename(argv[0])} ${verb} ${containerId}`
  if (result.timedOut)
    return new OciError('ERR_TIMEOUT', `${what} did not end within ${Math.round(timeoutMs)} ms`, details)
  const { code, message } = readRuntimeWords(result.stderrTail)
  return new OciError(code ?? 'ERR_RUNTIME_FAILED', `${what}: ${message || endOf(result)}`, details)
}

function endOf({ exitCode, signal }: Pick<CommandResult, 'exitCode' | 'signal'>): string {
  if (exitCode !== undefined) return `exited with code ${exitCode} and without a word`
  return signal === undefined ? 'never ended' : `was killed by ${signal}`
}

/** errnos that mean that there is no such program, or none that can be executed. */
const missing: ReadonlySet<string> = new Set(['ENOENT', 'EACCES', 'ENOTDIR', 'ENOEXEC', 'ELOOP', 'EISDIR'])

/**
 * A program that could not be executed at all, or a FIFO that it was to have and that is not there: ERR_RUNTIME_NOT_FOUND,
 * ERR_BUSY where there is no process left, ERR_IO, ERR_RUNTIME_FAILED.
 */
export function notStartedError({ errno, path, isFifo }: NotStarted, details: OciErrorDetails): OciError {
  if (isFifo === true)
    return new OciError('ERR_IO', `FIFO ${path} cannot be opened: ${errno}`, { ...details, file: path })
  if (errno === 'EAGAIN') {
    const limit =
      "the limit on processes is reached (pids.max of the supervisor's cgroup, its user's, or the host's)"
    return new OciError('ERR_BUSY', `${path} cannot be started: ${limit}`, details)
  }
  const code: ErrorCode = missing.has(errno) ? 'ERR_RUNTIME_NOT_FOUND' : 'ERR_RUNTIME_FAILED'
  // The kernel says the same of a script without its interpreter and of a program without its loader.
  const hint = errno === 'ENOENT' ? ' (it, its interpreter or its loader does not exist)' : ''
  return new OciError(code, `${path} cannot be executed: ${errno}${hint}`, { ...details, file: path })
}
