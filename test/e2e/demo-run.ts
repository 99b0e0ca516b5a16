/** Runs the example orchestrator as a child process, as `npm run demo` does, and looks at what it leaves behind. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { leaksThatStay, takeSnapshot } from '../support/leaks.ts'
import { makeTempRoot } from '../support/temp-root.ts'

const project = join(import.meta.dirname, '..', '..')

const lineShape = z.object({
  type: z.string(),
  container: z.string().optional(),
  containerId: z.string().optional(),
  event: z.string().optional(),
  verdict: z.string().optional(),
  reason: z.string().optional(),
  kind: z.string().optional(),
  why: z.string().optional(),
  by: z.string().optional(),
  url: z.string().optional(),
  asExpected: z.array(z.string()).optional(),
  unexpected: z.array(z.string()).optional(),
  notJudged: z.array(z.string()).optional(),
})

/** One line of `--json`. */
export type DemoLine = z.output<typeof lineShape>

export interface DemoRun {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  /** Of `--json`; empty without. */
  readonly lines: readonly DemoLine[]
  /** Everything on the host that was not there before: nothing, if the demo is right. */
  readonly leftovers: readonly string[]
}

export interface RunOptions {
  /** Called with each line of standard output, and the means to disturb the demo. */
  readonly onLine?: (line: string, child: ChildProcessByStdio<null, Readable, Readable>) => void
}

export async function runDemo(args: readonly string[], options: RunOptions = {}): Promise<DemoRun> {
  const before = takeSnapshot()
  const temporary = makeTempRoot()
  // The script is replaced by the demo, so a signal to the child reaches the demo.
  const child = spawn(
    join(project, 'scripts/in-runtime-namespace.sh'),
    ['node', join(project, 'examples/orchestrator/main.ts'), ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TMPDIR: temporary } },
  )
  const stdout: string[] = []
  const stderr: string[] = []
  createInterface(child.stdout).on('line', (line) => {
    stdout.push(line)
    options.onLine?.(line, child)
  })
  createInterface(child.stderr).on('line', (line) => stderr.push(line))
  await once(child, 'close')
  const lines = args.includes('--json') ? stdout.map((line) => parseLine(line)) : []
  const containerIds = lines.flatMap(({ containerId }) => containerId ?? [])
  const leaks = await leaksThatStay(before, { roots: [temporary], containerIds })
  const files = readdirSync(temporary).map((name) => `file ${name}`)
  return {
    exitCode: child.exitCode,
    stdout: stdout.join('\n'),
    stderr: stderr.join('\n'),
    lines,
    leftovers: [...leaks.map(({ what }) => what), ...files],
  }
}

/** The path of a stack file with this text. */
export function stackFile(text: string): string {
  const path = join(makeTempRoot(), 'stack.toml')
  writeFileSync(path, text)
  return path
}

export function parseLine(line: string): DemoLine {
  return lineShape.parse(JSON.parse(line))
}
