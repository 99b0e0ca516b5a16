/**
 * What arguments come to that no test has described: the few commands that tests of container runtimes use.
 *
 * Deliberately not here: a shell. Of a script the simplest statements are understood, one after the other.
 */
import type {
  SimulatedOutput,
  SimulatedProgram,
  SimulatedReaction,
  SimulatedRun,
} from './simulated-program.ts'

export type Environment = Readonly<Record<string, string>>

export interface CommandLine {
  readonly argv: readonly string[]
  readonly env: Environment
  /**
   * What a script does at a command that is not known: a container's own runs on, as if that were the server it is there
   * for; a command that is run in a container says what a shell would say.
   */
  readonly unknown: 'runsOn' | 'notFound'
}

/** Undefined for a command that is not known. */
export function knownCommand(line: CommandLine): SimulatedProgram | undefined {
  const [first = '', ...rest] = line.argv
  const name = first.slice(first.lastIndexOf('/') + 1)
  switch (name) {
    case 'busybox':
      return knownCommand({ ...line, argv: rest })
    case 'true':
      return { runsForMs: 0, exitCode: 0 }
    case 'false':
      return { runsForMs: 0, exitCode: 1 }
    case 'echo':
      return { runsForMs: 0, exitCode: 0, output: echoed(rest) }
    case 'cat':
      return catOf(rest)
    case 'sleep':
      return forTime(durationMs(rest[0]))
    case 'sh':
    case 'ash':
    case 'bash':
      return rest[0] === '-c' ? programOfScript(rest[1] ?? '', line) : undefined
    default:
      return undefined
  }
}

/** Variables by name, from `NAME=value`. */
export function environmentOf(entries: readonly string[]): Environment {
  return Object.fromEntries(
    entries.map((entry) => {
      const [name = ''] = entry.split('=', 1)
      return [name, entry.slice(name.length + 1)]
    }),
  )
}

function echoed(args: readonly string[]): string {
  return args[0] === '-n' ? args.slice(1).join(' ') : `${args.join(' ')}\n`
}

function catOf(files: readonly string[]): SimulatedProgram {
  const named = files.filter((file) => file !== '-')
  if (named.length === 0) return { run: cat }
  const complaints = named.map((file) => `cat: can't open '${file}': No such file or directory\n`)
  return { runsForMs: 0, exitCode: 1, output: [{ stderr: complaints.join('') }] }
}

const cat: SimulatedRun = (_, { stdin, stdout }) =>
  new Promise((resolve) => {
    stdin.once('end', resolve)
    stdin.pipe(stdout, { end: false })
  })

/** Statements one after the other; whatever is not understood runs until something ends it. */
function programOfScript(script: string, { env, unknown }: CommandLine): SimulatedProgram {
  const output: SimulatedOutput[] = []
  let runsForMs = 0
  let exitCode = 0
  let traps: SimulatedProgram = {}
  const soFar = (): SimulatedProgram => ({ ...traps, ...(output.length === 0 ? {} : { output }) })
  for (const statement of statementsOf(script)) {
    const step = stepOf(statement, env) ?? (unknown === 'notFound' ? notFound(statement) : undefined)
    if (step === undefined) return soFar()
    if (step.output !== undefined) output.push({ afterMs: runsForMs, ...step.output })
    runsForMs += step.runsForMs ?? 0
    exitCode = step.exitCode ?? 0
    if (step.trap !== undefined) traps = withTrap(traps, step.trap)
    if (step.isLast === true) break
  }
  return { ...soFar(), runsForMs, exitCode }
}

interface Step {
  readonly runsForMs?: number
  readonly exitCode?: number
  readonly output?: SimulatedOutput
  readonly trap?: Trap
  readonly isLast?: boolean
}

/** Undefined for a statement that is not understood, or never ends. */
function stepOf(statement: string, env: Environment): Step | undefined {
  if (/^(true|:)$/.test(statement)) return {}
  if (statement === 'false') return { exitCode: 1 }
  const trap = trapOf(statement)
  if (trap !== undefined) return { trap }
  const exit = /^exit(?: +(\d{1,3}))?$/.exec(statement)
  if (exit !== null) return { exitCode: Number(exit[1] ?? 0) % 256, isLast: true }
  const echo = /^echo(?: +([^|&]*?))?(?: *(>&2|>[^|&'"]*))?$/.exec(statement)
  if (echo !== null) return echoStep(wordsOf(echo[1] ?? '', env), echo[2])
  const runsForMs = durationMs(/^sleep +(\S+)$/.exec(statement)?.[1])
  return runsForMs === undefined || runsForMs === Number.POSITIVE_INFINITY ? undefined : { runsForMs }
}

/** There are no files here: what goes to one is gone. */
function echoStep(words: readonly string[], redirect: string | undefined): Step {
  if (redirect === undefined) return { output: { stdout: echoed(words) } }
  return redirect === '>&2' ? { output: { stderr: echoed(words) } } : {}
}

const keywords = new Set(['while', 'until', 'for', 'if', 'case', 'do', 'done', 'exec', 'read', 'wait', 'set'])

/** A plain command that nobody has; undefined for what is more than that. */
function notFound(statement: string): Step | undefined {
  const [, name = ''] = /^([\w./-]+)(?: [^|&<>(){}`]*)?$/.exec(statement) ?? []
  if (name === '' || name === 'sleep' || keywords.has(name)) return undefined
  return { exitCode: 127, output: { stderr: `sh: ${name}: not found\n` } }
}

function statementsOf(script: string): string[] {
  const statements = script.match(/(?:'[^']*'|"[^"]*"|[^;\n'"])+/g) ?? []
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '')
}

/** As a shell splits them, with quotes and variables. What only a shell could know is empty. */
function wordsOf(text: string, env: Environment): string[] {
  const expanded = (part: string): string =>
    part.replaceAll(/\$(?:\{(\w+)\}|(\w+)|\([^)]*\))/g, (_, braced?: string, plain?: string) =>
      ownOf(env, braced ?? plain ?? ''),
    )
  const words = text.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []
  return words.map((word) =>
    word.replaceAll(
      /'([^']*)'|"([^"]*)"|[^'"]+/g,
      (part, single?: string, double?: string) => single ?? expanded(double ?? part),
    ),
  )
}

function ownOf(env: Environment, name: string): string {
  return Object.hasOwn(env, name) ? (env[name] ?? '') : ''
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
