/**
 * What the process of a simulated container does: described by a test, or derived from the spec's arguments.
 *
 * Deliberately not here: a shell. The few commands that are understood are those that tests of container runtimes use.
 */
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { parseSignal, signalName } from '../../signals.ts'

/** `exit` ends the process with 128+n, as one that handles the signal customarily does; `ignore` as pid 1 does without a handler. */
export type SimulatedReaction = 'exit' | 'ignore' | { readonly exitCode: number; readonly afterMs?: number }

/**
 * What a simulated process does. Everything may be left out: it then runs until something ends it, and a stop signal
 * ends it at once with 128+n.
 *
 * @example
 * // A server that takes three seconds to shut down, then reports success.
 * const server: SimulatedProgram = { onTerm: { exitCode: 0, afterMs: 3000 } }
 */
export interface SimulatedProgram {
  /** How long it runs, frozen time not counted. Default: until something ends it. */
  readonly runsForMs?: number
  /** Its exit code when it ends by itself; default 0. */
  readonly exitCode?: number
  /** What TERM, and the container's own stop signal, does to it; default `exit`. */
  readonly onTerm?: SimulatedReaction
  /** What other signals do to it, by name (`HUP`); default `ignore`. Wins over `onTerm` for the signals it names. */
  readonly onSignal?: Readonly<Record<string, SimulatedReaction>>
  /** What KILL does: ends it at once (default), late, or never, as with a process in uninterruptible sleep. */
  readonly onKill?: 'exit' | 'ignore' | { readonly afterMs: number }
  /** The kernel's OOM killer ends it after so long. */
  readonly oomAfterMs?: number
  /** It ends, and its exit is reported, before `start` returns. */
  readonly exitsBeforeStart?: boolean
  /** How long the monitor takes to report the exit; default 0. */
  readonly exitReportedAfterMs?: number
  /** It leaves processes behind that outlive it. */
  readonly leavesProcesses?: boolean
}

/** What the arguments of the container's spec come to. Without a spec (`container.setSpec`) it is the default program. */
export function programOf(container: Container): SimulatedProgram {
  const spec = container.spec
  const args = spec?.process?.args
  if (spec === undefined || !Array.isArray(args)) return {}
  const program = programOfCommand(args)
  if (program === undefined) return {}
  // The kernel keeps signals without a handler from the first process of a pid namespace.
  const isInit = spec.linux?.namespaces?.some(({ type }) => type === 'pid') ?? false
  return { ...(isInit ? { onTerm: 'ignore' } : {}), ...program }
}

function programOfCommand([first = '', ...rest]: readonly string[]): SimulatedProgram | undefined {
  const command = first.slice(first.lastIndexOf('/') + 1)
  switch (command) {
    case 'busybox':
      return programOfCommand(rest)
    case 'true':
      return { runsForMs: 0, exitCode: 0 }
    case 'false':
      return { runsForMs: 0, exitCode: 1 }
    case 'sleep':
      return forTime(durationMs(rest[0]))
    case 'sh':
    case 'ash':
    case 'bash':
      return rest[0] === '-c' ? programOfScript(rest[1] ?? '') : undefined
    default:
      return undefined
  }
}

/** Statements one after the other; whatever is not understood runs until something ends it. */
function programOfScript(script: string): SimulatedProgram {
  let runsForMs = 0
  let exitCode = 0
  let traps: SimulatedProgram = {}
  for (const statement of statementsOf(script)) {
    const step = stepOf(statement)
    if (step === undefined) return traps
    runsForMs += step.runsForMs ?? 0
    exitCode = step.exitCode ?? 0
    if (step.trap !== undefined) traps = withTrap(traps, step.trap)
    if (step.isLast === true) break
  }
  return { ...traps, runsForMs, exitCode }
}

interface Step {
  readonly runsForMs?: number
  readonly exitCode?: number
  readonly trap?: Trap
  readonly isLast?: boolean
}

/** Undefined for a statement that is not understood, or never ends. */
function stepOf(statement: string): Step | undefined {
  if (/^(true|:|echo( [^|&]*)?)$/.test(statement)) return {}
  if (statement === 'false') return { exitCode: 1 }
  const trap = trapOf(statement)
  if (trap !== undefined) return { trap }
  const exit = /^exit(?: +(\d{1,3}))?$/.exec(statement)
  if (exit !== null) return { exitCode: Number(exit[1] ?? 0) % 256, isLast: true }
  const runsForMs = durationMs(/^sleep +(\S+)$/.exec(statement)?.[1])
  return runsForMs === undefined || runsForMs === Number.POSITIVE_INFINITY ? undefined : { runsForMs }
}

function statementsOf(script: string): string[] {
  const statements = script.match(/(?:'[^']*'|"[^"]*"|[^;\n'"])+/g) ?? []
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '')
}

interface Trap {
  readonly reaction: SimulatedReaction
  readonly signals: readonly string[]
}

function trapOf(statement: string): Trap | undefined {
  const [, single, double, names] = /^trap +(?:'([^']*)'|"([^"]*)") +([A-Z0-9 ]+)$/.exec(statement) ?? []
  const action = (single ?? double)?.trim()
  if (action === undefined || names === undefined) return undefined
  const [, code] = /^exit +(\d{1,3})$/.exec(action) ?? []
  return {
    reaction: code === undefined ? 'ignore' : { exitCode: Number(code) % 256 },
    signals: names.split(' ').filter((name) => name !== ''),
  }
}

function withTrap(program: SimulatedProgram, { reaction, signals }: Trap): SimulatedProgram {
  const names = signals.map((name) => name.replace(/^SIG/, ''))
  const reactions = names.filter((name) => name !== 'TERM').map((name) => [name, reaction] as const)
  return {
    ...program,
    ...(names.includes('TERM') ? { onTerm: reaction } : {}),
    onSignal: { ...program.onSignal, ...Object.fromEntries(reactions) },
  }
}

function forTime(ms: number | undefined): SimulatedProgram | undefined {
  if (ms === undefined) return undefined
  return ms === Number.POSITIVE_INFINITY ? {} : { runsForMs: ms, exitCode: 0 }
}

const unitMs: Readonly<Record<string, number>> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The argument of `sleep`. */
function durationMs(text: string | undefined): number | undefined {
  if (text === 'infinity' || text === 'inf') return Number.POSITIVE_INFINITY
  const [, number, unit] = /^(\d{1,9}(?:\.\d{1,9})?)([smhd]?)$/.exec(text ?? '') ?? []
  return number === undefined ? undefined : Number(number) * (unitMs[unit ?? ''] ?? 1000)
}

/** `program`, with the names of its signals in their usual form; ERR_INVALID_ARGUMENT names the field that is wrong. */
export function checkedProgram(program: SimulatedProgram): SimulatedProgram {
  checkTime('runsForMs', program.runsForMs)
  checkTime('oomAfterMs', program.oomAfterMs)
  checkTime('exitReportedAfterMs', program.exitReportedAfterMs)
  checkExitCode('exitCode', program.exitCode)
  checkReaction('onTerm', program.onTerm)
  if (typeof program.onKill === 'object') checkTime('onKill.afterMs', program.onKill.afterMs)
  if (program.onSignal === undefined) return program
  const onSignal = Object.entries(program.onSignal).map(([name, reaction]) => {
    checkReaction(`onSignal.${name}`, reaction)
    return [signalName(parseSignal(name)), reaction] as const
  })
  return { ...program, onSignal: Object.fromEntries(onSignal) }
}

function checkReaction(field: string, reaction: SimulatedReaction | undefined): void {
  if (typeof reaction !== 'object') return
  checkExitCode(`${field}.exitCode`, reaction.exitCode)
  checkTime(`${field}.afterMs`, reaction.afterMs)
}

/** Throws ERR_INVALID_ARGUMENT unless `code` is what a process can exit with, or absent. */
export function checkExitCode(field: string, code: number | undefined): void {
  if (code === undefined || (Number.isInteger(code) && code >= 0 && code <= 255)) return
  throw new OciError('ERR_INVALID_ARGUMENT', `${field} ${code} must be a whole number from 0 to 255`, {
    field,
  })
}

/** Throws ERR_INVALID_ARGUMENT unless `ms` is a time that comes, or absent. */
export function checkTime(field: string, ms: number | undefined): void {
  if (ms === undefined || (Number.isFinite(ms) && ms >= 0)) return
  const message = `${field} ${ms} must be a finite number of milliseconds, 0 or more; leave it out for never`
  throw new OciError('ERR_INVALID_ARGUMENT', message, { field })
}
