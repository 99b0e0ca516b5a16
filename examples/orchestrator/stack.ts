/** The stack file: TOML in, checked and typed entries out. Messages name the key as it is written in the file. */
import { readFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { errorCodes, type ErrorCode } from 'oci-supervisor'
import { parse } from 'toml'
import { z } from 'zod'
import { CannotBegin } from './cannot-begin.ts'

/** How a container must end. */
export type Expectation =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly name: string }
  | { readonly kind: 'createError'; readonly code: ErrorCode }
  | { readonly kind: 'oom' }

/** One container as the stack file describes it. */
export interface StackEntry {
  readonly name: string
  readonly args: readonly string[]
  readonly memoryLimitBytes: number | undefined
  readonly pauseForMs: number | undefined
  readonly stopAfterMs: number | undefined
  readonly graceSeconds: number
  readonly expect: Expectation
}

const graceDefaultSeconds = 10
const waitMaxMs = 3_600_000
const unitBytes = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const

const nameRule = 'must be 1 to 32 letters, digits and hyphens, beginning with a letter or digit'
const argsRule = 'must be a list of strings with a command in the first place'
const sizeRule = 'must be a whole number of bytes, or a text such as "20 MiB"'
const waitRule = `must be a whole number of milliseconds from 0 to ${waitMaxMs}`
const graceRule = 'must be a number of seconds, 0 or more'
const exitRule = 'must be an exit code from 0 to 255'
const expectRule = 'must be a table with exactly one of exit, signal, create_error, oom'

const wait = z.int(waitRule).min(0, waitRule).max(waitMaxMs, waitRule).optional()

const memoryLimit = z.union(
  [
    z.int().positive(),
    z
      .string()
      .regex(/^[1-9]\d{0,6} ?(?:KiB|MiB|GiB)$/)
      .transform(bytesOf),
  ],
  sizeRule,
)

const signal = z
  .string('must be the name of a signal')
  .transform((name) => name.replace(/^SIG/, ''))
  .refine((name) => Object.hasOwn(constants.signals, `SIG${name}`), 'must be the name of a signal')

const expectTable = z
  .strictObject(
    {
      exit: z.int(exitRule).min(0, exitRule).max(255, exitRule).optional(),
      signal: signal.optional(),
      create_error: z
        .enum(errorCodes, 'must be one of the codes of the library, as ERR_COMMAND_NOT_FOUND')
        .optional(),
      oom: z.literal(true, 'must be true').optional(),
    },
    expectRule,
  )
  .refine((table) => Object.keys(table).length === 1, expectRule)
  .transform((table): Expectation => {
    if (table.exit !== undefined) return { kind: 'exit', code: table.exit }
    if (table.signal !== undefined) return { kind: 'signal', name: table.signal }
    if (table.create_error !== undefined) return { kind: 'createError', code: table.create_error }
    return { kind: 'oom' }
  })

const containerTable = z
  .strictObject(
    {
      name: z.string(nameRule).regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/, nameRule),
      args: z.array(z.string(argsRule), argsRule).refine(([command]) => (command ?? '') !== '', argsRule),
      memory_limit: memoryLimit.optional(),
      pause_for_ms: wait,
      stop_after_ms: wait,
      grace_seconds: z.number(graceRule).min(0, graceRule).default(graceDefaultSeconds),
      expect: expectTable,
    },
    'must be a table',
  )
  .transform((table): StackEntry => ({
    name: table.name,
    args: table.args,
    memoryLimitBytes: table.memory_limit,
    pauseForMs: table.pause_for_ms,
    stopAfterMs: table.stop_after_ms,
    graceSeconds: table.grace_seconds,
    expect: table.expect,
  }))

const stackFile = z.strictObject({
  container: z.array(containerTable, 'must be a list of tables: [[container]]').min(1, 'must not be empty'),
})

/** Reads a stack file. Throws CannotBegin naming the file and every key that is wrong. */
export async function readStack(path: string): Promise<readonly StackEntry[]> {
  const checked = stackFile.safeParse(await readToml(path))
  if (!checked.success) {
    throw new CannotBegin(`${path}: ${checked.error.issues.map((issue) => complaint(issue)).join('; ')}`)
  }
  const entries = checked.data.container
  const twice = entries.findIndex(
    ({ name }, index) => entries.findIndex((other) => other.name === name) < index,
  )
  if (twice >= 0) {
    throw new CannotBegin(
      `${path}: container[${twice}].name must be unique; "${entries[twice]?.name}" is taken`,
    )
  }
  return entries
}

async function readToml(path: string): Promise<unknown> {
  try {
    return parse(await readFile(path, 'utf8'))
  } catch (cause) {
    const line = syntaxErrorLine(cause)
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CannotBegin(`${path}: ${line === undefined ? reason : `not valid TOML at line ${line}`}`, {
      cause,
    })
  }
}

/** The parser says where in two ways: one for what is no TOML, one for what makes no sense. */
function syntaxErrorLine(error: unknown): number | undefined {
  const place = z
    .union([
      z
        .object({ location: z.object({ start: z.object({ line: z.int() }) }) })
        .transform((e) => e.location.start),
      z.object({ line: z.int() }),
    ])
    .safeParse(error)
  return place.data?.line
}

/** `container[2].grace_seconds must be …`. */
function complaint(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${keyOf([...issue.path, key])} is not a key of the stack file`).join('; ')
  }
  const key = keyOf(issue.path)
  return key === '' ? issue.message : `${key} ${issue.message}`
}

function keyOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((key, part) => {
    if (typeof part === 'number') return `${key}[${part}]`
    return key === '' ? String(part) : `${key}.${String(part)}`
  }, '')
}

function bytesOf(text: string): number {
  const [, count, unit] = /^(\d+) ?(KiB|MiB|GiB)$/.exec(text) ?? []
  if (unit !== 'KiB' && unit !== 'MiB' && unit !== 'GiB') return 0
  return Number(count) * unitBytes[unit]
}
