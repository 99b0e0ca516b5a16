/** The command line. */
import { parseArgs } from 'node:util'
import { CannotBegin } from './cannot-begin.ts'

export const runtimeNames = ['runc', 'crun', 'sim'] as const
export type RuntimeName = (typeof runtimeNames)[number]

export interface Options {
  readonly help: boolean
  readonly json: boolean
  /** Keeps what has ended, and the inspector, until Ctrl-C. */
  readonly stay: boolean
  /** Undefined: whichever this host has. */
  readonly runtime: RuntimeName | undefined
  readonly stackPath: string
}

export const usage = `usage: npm run demo -- [--runtime runc|crun|sim] [--json] [--stack FILE] [--stay]
  --runtime  which runtime runs the containers; default: crun or runc, whichever is installed
  --json     one JSON object per line instead of a table (npm run --silent keeps npm quiet)
  --stack    what to run; default: examples/orchestrator/stack.toml
  --stay     keeps the containers that have ended, and the inspector's page, until Ctrl-C
exit code: 0 all containers ended as the stack says, 1 not all did, 2 could not begin, 128+n ended by signal n
`

export function parseOptions(argv: readonly string[]): Options {
  const { help = false, json = false, runtime, stack, stay = false } = parsed(argv)
  return {
    help,
    json,
    stay,
    runtime: runtime === undefined ? undefined : runtimeName(runtime),
    stackPath: stack ?? `${import.meta.dirname}/stack.toml`,
  }
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        help: { type: 'boolean', short: 'h' },
        json: { type: 'boolean' },
        runtime: { type: 'string' },
        stack: { type: 'string' },
        stay: { type: 'boolean' },
      },
    }).values
  } catch (cause) {
    throw new CannotBegin(`${cause instanceof Error ? cause.message : String(cause)}\n${usage}`, { cause })
  }
}

function runtimeName(given: string): RuntimeName {
  const name = runtimeNames.find((known) => known === given)
  if (name !== undefined) return name
  throw new CannotBegin(`--runtime ${JSON.stringify(given)}: must be one of ${runtimeNames.join(', ')}`)
}
