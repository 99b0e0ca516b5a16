/**
 * Linux signals by name and number. The table is our own and not `os.constants.signals`: containers run on Linux even
 * when this code (with the simulated runtime) runs on another system, where the same names have other numbers.
 *
 * Deliberately not here: sending a signal.
 */
import { OciError } from './errors/index.ts'

/** TERM. */
export const defaultStopSignal = 15

const highestSignal = 64

/** The first and last real-time signal as glibc has them; 32 and 33 belong to its threads and have no name. */
const rtMin = 34
const rtMax = 64

/** In the order of their numbers, from 1. */
const standardNames = (
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU ' +
  'URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'
).split(' ')

const numberByName = new Map<string, number>([
  ...standardNames.map((name, index): [string, number] => [name, index + 1]),
  ['IOT', 6],
  ['CLD', 17],
  ['POLL', 29],
  ['UNUSED', 31],
])

/**
 * The name of a signal without its SIG prefix: `TERM`, `RTMIN+3`; from the middle of the real-time range on counted
 * from its end (`RTMAX-14`), as `kill -l` does. A number without a name is returned in decimal.
 */
export function signalName(number: number): string {
  if (number === rtMin) return 'RTMIN'
  if (number === rtMax) return 'RTMAX'
  if (number > rtMin && number < rtMax) {
    return number - rtMin <= 15 ? `RTMIN+${number - rtMin}` : `RTMAX-${rtMax - number}`
  }
  return standardNames[number - 1] ?? String(number)
}

/** The number of a signal given by name or number, or `fallback` when there is no such signal. */
export function signalNumberOr(nameOrNumber: string | number | undefined, fallback: number): number {
  return lookUp(nameOrNumber) ?? fallback
}

/**
 * The number of a signal: a name with or without SIG in any case, `RTMIN+n`, `RTMAX-n`, or 1 to 64 as a number or in
 * decimal. Anything else is ERR_INVALID_ARGUMENT with the field `signal`.
 */
export function parseSignal(nameOrNumber: string | number): number {
  const number = lookUp(nameOrNumber)
  if (number !== undefined) return number
  throw new OciError(
    'ERR_INVALID_ARGUMENT',
    `unknown signal ${JSON.stringify(nameOrNumber)}: it must be a Linux signal's name, RTMIN+n, RTMAX-n or a number from 1 to ${highestSignal}`,
    { field: 'signal' },
  )
}

/** The signal that an exit code of 128+n usually stands for. An inference: a process may exit 137 by itself. */
export function inferSignal(exitCode: number): number | undefined {
  return exitCode > 128 && exitCode <= 128 + highestSignal ? exitCode - 128 : undefined
}

function lookUp(nameOrNumber: unknown): number | undefined {
  if (typeof nameOrNumber === 'number') return inRange(nameOrNumber)
  if (typeof nameOrNumber !== 'string') return undefined
  if (/^[1-9][0-9]?$/.test(nameOrNumber)) return inRange(Number(nameOrNumber))
  // Matched before it is upper-cased: some letters outside ASCII become ASCII letters then ('ı' → 'I').
  const name = /^(?:SIG)?([A-Z0-9+-]{2,9})$/i.exec(nameOrNumber)?.[1]?.toUpperCase()
  return name === undefined ? undefined : (numberByName.get(name) ?? realTime(name))
}

function realTime(name: string): number | undefined {
  if (name === 'RTMIN') return rtMin
  if (name === 'RTMAX') return rtMax
  const [, from, offset] = /^(RTMIN\+|RTMAX-)(0|[1-9][0-9]?)$/.exec(name) ?? []
  if (from === undefined || Number(offset) > rtMax - rtMin) return undefined
  return from === 'RTMIN+' ? rtMin + Number(offset) : rtMax - Number(offset)
}

function inRange(number: number): number | undefined {
  return Number.isInteger(number) && number >= 1 && number <= highestSignal ? number : undefined
}
