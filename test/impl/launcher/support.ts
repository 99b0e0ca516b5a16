/** Fixtures shared by the launcher's tests: scratch directories and waiting for facts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import {
  type Launcher,
  type LauncherOptions,
  type MonitorCreated,
  type MonitorOutcome,
  openLauncher,
} from '../../../src/impl/launcher/launcher.ts'
import { env } from './support-scripts.ts'
import { factMaxMs } from '../../support/eventually.ts'

export { awaitStart, crowdSize, env, fakeMonitor, forkDaemon, makeFifo } from './support-scripts.ts'

export function scratchDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'launcher-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A launcher that is closed when the test is over. */
export async function testLauncher(options: LauncherOptions = {}): Promise<Launcher> {
  const launcher = await openLauncher(options)
  onTestFinished(() => launcher.close())
  return launcher
}

export async function waitFor(what: string, fact: () => boolean, limitMs = factMaxMs): Promise<void> {
  const end = performance.now() + limitMs
  while (!fact()) {
    if (performance.now() > end) throw new Error(`did not come true: ${what}`)
    await delay(10)
  }
}

/** A zombie is dead: orphans may have a parent that is slow to reap. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return !'ZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2))
  } catch {
    return false
  }
}

export function readPid(...path: string[]): number {
  return Number(readFileSync(join(...path), 'utf8'))
}

export function expectCreated(outcome: MonitorOutcome): MonitorCreated {
  if (outcome.kind !== 'created') throw new Error(`expected a container, got ${JSON.stringify(outcome)}`)
  return outcome
}

/** The given pid is killed when the test is over, if it is still there. */
export function killAtEnd(pid: number): number {
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  })
  return pid
}

export function deferred<T = void>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>()
}

/** Runs {@link file://./embedder.ts} through `bash` (dash knows no descriptors above 9), after `prelude`; killed when the test is over. */
export function startEmbedder(
  scenario: string,
  dir = '/',
  { prelude = '', env: own = {} }: { prelude?: string; env?: Record<string, string> } = {},
): Embedder {
  const program = new URL('./embedder.ts', import.meta.url).pathname
  const child = spawn('bash', ['-c', `${prelude} exec "$0" "$@"`, process.execPath, program, scenario, dir], {
    env: { ...env, ...own },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  const facts = lines[Symbol.asyncIterator]()
  const exited = once(child, 'exit').then(([code, signal]) => ({
    code: code as unknown,
    signal: signal as unknown,
  }))
  return {
    exited,
    kill: () => child.kill('SIGKILL'),
    stop: () => child.kill('SIGSTOP'),
    fact: async () => {
      const next = await facts.next()
      return factOf(next.done === true ? '{}' : next.value)
    },
  }
}

function factOf(line: string): Fact {
  const said: unknown = JSON.parse(line)
  const read = (key: string): unknown => (said instanceof Object ? Reflect.get(said, key) : undefined)
  return {
    stdout: String(read('stdout')),
    launcherPid: Number(read('launcherPid')),
    pid: Number(read('pid')),
    exitCode: Number(read('exitCode')),
  }
}

/** What a scenario may tell; NaN and `undefined` stand for what it did not. */
export interface Fact {
  readonly stdout: string
  readonly launcherPid: number
  readonly pid: number
  readonly exitCode: number
}

export interface Embedder {
  readonly exited: Promise<{ code: unknown; signal: unknown }>
  kill(): void
  stop(): void
  /** The next line it tells. */
  fact(): Promise<Fact>
}

/** What the promise rejects with. Taken early, so that no rejection is unhandled while the test waits for something else. */
export function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`should have failed, but resolved with ${JSON.stringify(value)}`)
    },
    (error: unknown) => error,
  )
}

/** Matches a string with that text in it. */
export function containing(text: string): unknown {
  return expect.stringContaining(text)
}
