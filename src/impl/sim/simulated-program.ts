/**
 * What a process of the simulated world does, as a test describes it: the container's own, or a command that is run in it.
 *
 * Deliberately not here: what comes of arguments that nobody has described (known-commands.ts).
 */
import type { Readable, Writable } from 'node:stream'
import { OciError } from '../../errors/index.ts'
import { parseSignal, signalName } from '../../signals.ts'
import type { ExecUser } from '../exec-port.ts'
import type { TerminalSize } from '../terminal-size.ts'
import { checkFields } from './known-fields.ts'

/** `exit` ends the process with 128+n, as one that handles the signal customarily does; `ignore` as pid 1 does without a handler. */
export type SimulatedReaction = 'exit' | 'ignore' | { readonly exitCode: number; readonly afterMs?: number }

/** Something that a process writes. */
export interface SimulatedOutput {
  /** From its start, frozen time not counted; default 0. */
  readonly afterMs?: number
  readonly stdout?: string | Uint8Array
  /** On a terminal this is the same as `stdout`. */
  readonly stderr?: string | Uint8Array
}

/**
 * A process as a function: what it resolves with is its exit code, nothing is 0. What it throws goes to its stderr, with
 * exit code 1.
 *
 * It shares the simulated time: what waits for anything but `io` waits in real time. A loop has to sleep, or time never
 * passes. Once the process has ended (KILL, say) its `io` does nothing any more: what it waits for there never comes.
 *
 * @example
 * const greet: SimulatedRun = async (argv, io) => {
 *   for await (const line of io.stdin) io.stdout.write(`hello ${line}`)
 *   await io.sleep(500)
 *   return 3
 * }
 */
export type SimulatedRun = (argv: readonly string[], io: SimulatedIo) => ExitCode | Promise<ExitCode>
// oxlint-disable-next-line typescript/no-invalid-void-type -- a function that returns nothing is what most of them are
type ExitCode = number | undefined | void

/** What a process has to do with the world. Nothing of it moves while it is frozen. */
export interface SimulatedIo {
  /** At its end at once where the process was given none. */
  readonly stdin: Readable
  /** Who writes faster than is read is slowed down, as by any stream of Node. */
  readonly stdout: Writable
  /** With a terminal the same stream as `stdout`. */
  readonly stderr: Writable
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** As it was asked for; names are not looked up. */
  readonly user: string | ExecUser | undefined
  /** As it is now; undefined without a terminal, and until somebody has set one. */
  readonly terminalSize: TerminalSize | undefined
  /** Resolves when so much of the process's own time has passed. */
  readonly sleep: (ms: number) => Promise<void>
}

/** What a process uses while it runs, for `containerStats`. */
export interface SimulatedUsage {
  /** Of one CPU; default 1. A CPU quota of the container caps it. */
  readonly cpuPercent?: number
  /** Default 1 MiB. */
  readonly memoryBytes?: number
  /** How many processes it is; default 1. */
  readonly pids?: number
  /** Default 0, as are the three below. */
  readonly netInputBytesPerSecond?: number
  readonly netOutputBytesPerSecond?: number
  readonly blockInputBytesPerSecond?: number
  readonly blockOutputBytesPerSecond?: number
}

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
  /** What it writes; a string goes to stdout, at its start. */
  readonly output?: string | Uint8Array | readonly SimulatedOutput[]
  /** What it does, as a function; `runsForMs` and `exitCode` do not count then. */
  readonly run?: SimulatedRun
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
  readonly usage?: SimulatedUsage
}

/**
 * What a command does that is run in a container: a function, or a description. What the description leaves out: it ends
 * at once with exit code 0; a signal ends it with 128+n, but for those that Linux ignores by default.
 *
 * @example
 * const slowAndSick: SimulatedCommand = { runsForMs: 2000, exitCode: 1, output: [{ stderr: 'no database\n' }] }
 * const hangs: SimulatedCommand = { runsForMs: Infinity, onTerm: 'ignore' }
 */
export type SimulatedCommand = SimulatedRun | SimulatedCommandDescription

export interface SimulatedCommandDescription extends Pick<
  SimulatedProgram,
  'exitCode' | 'output' | 'run' | 'onTerm' | 'onSignal' | 'onKill' | 'usage'
> {
  /** How long it runs, frozen time not counted; default 0. Infinity: until something ends it. */
  readonly runsForMs?: number
  /** It leaves processes behind that keep its output open: the result is not `drained`. */
  readonly leavesProcesses?: boolean
}

const commandFields = {
  runsForMs: true,
  exitCode: true,
  output: true,
  run: true,
  onTerm: true,
  onSignal: true,
  onKill: true,
  leavesProcesses: true,
  usage: true,
} as const satisfies Record<keyof SimulatedCommandDescription, true>

const programFields = {
  ...commandFields,
  oomAfterMs: true,
  exitsBeforeStart: true,
  exitReportedAfterMs: true,
} as const satisfies Record<keyof SimulatedProgram, true>

const outputFields = { afterMs: true, stdout: true, stderr: true } as const satisfies Record<
  keyof SimulatedOutput,
  true
>

const usageFields = {
  cpuPercent: true,
  memoryBytes: true,
  pids: true,
  netInputBytesPerSecond: true,
  netOutputBytesPerSecond: true,
  blockInputBytesPerSecond: true,
  blockOutputBytesPerSecond: true,
} as const satisfies Record<keyof SimulatedUsage, true>

/** What a process writes, in the form that says everything. */
export function outputOf({ output }: Pick<SimulatedProgram, 'output'>): readonly SimulatedOutput[] {
  if (output === undefined) return []
  return typeof output === 'string' || ArrayBuffer.isView(output) ? [{ stdout: output }] : output
}

/** `command` as a program, checked like one. */
export function programOfCommand(command: SimulatedCommand): SimulatedProgram {
  if (typeof command === 'function') return { run: command }
  checkFields('a simulated command', command, commandFields)
  const { runsForMs = 0, ...rest } = command
  const endless = runsForMs === Number.POSITIVE_INFINITY
  return checkedProgram(endless ? rest : { ...rest, runsForMs })
}

/** `program`, with the names of its signals in their usual form; ERR_INVALID_ARGUMENT names the field that is wrong. */
export function checkedProgram(program: SimulatedProgram): SimulatedProgram {
  checkFields('a simulated program', program, programFields)
  checkFields('usage', program.usage ?? {}, usageFields, 'usage.')
  checkTime('runsForMs', program.runsForMs)
  checkTime('oomAfterMs', program.oomAfterMs)
  checkTime('exitReportedAfterMs', program.exitReportedAfterMs)
  checkExitCode('exitCode', program.exitCode)
  checkReaction('onTerm', program.onTerm)
  outputOf(program).forEach((output, index) => {
    checkFields('output', output, outputFields, `output.${index}.`)
    checkTime(`output.${index}.afterMs`, output.afterMs)
  })
  for (const [name, value] of Object.entries(program.usage ?? {})) checkAmount(`usage.${name}`, value)
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
  checkFields('a reaction', reaction, { exitCode: true, afterMs: true }, `${field}.`)
  checkExitCode(`${field}.exitCode`, reaction.exitCode)
  checkTime(`${field}.afterMs`, reaction.afterMs)
}

function checkAmount(field: string, value: unknown): void {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return
  throw new OciError('ERR_INVALID_ARGUMENT', `${field} ${shown(value)} must be a number, 0 or more`, {
    field,
  })
}

function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : `of type ${typeof value}`
}

/** Throws ERR_INVALID_ARGUMENT unless `code` is what a process can exit with, or absent. */
export function checkExitCode(field: string, code: number | undefined): void {
  if (code === undefined || (Number.isInteger(code) && code >= 0 && code <= 255)) return
  throw new OciError('ERR_INVALID_ARGUMENT', `${field} ${shown(code)} must be a whole number from 0 to 255`, {
    field,
  })
}

/** Throws ERR_INVALID_ARGUMENT unless `ms` is a time that comes, or absent. */
export function checkTime(field: string, ms: number | undefined): void {
  if (ms === undefined || (Number.isFinite(ms) && ms >= 0)) return
  const message = `${field} ${shown(ms)} must be a finite number of milliseconds, 0 or more; leave it out for never`
  throw new OciError('ERR_INVALID_ARGUMENT', message, { field })
}
