/** One crash: a supervisor killed at one passage, and the one that comes after it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { letGo, makeGround, runtimePrograms, type Ground, type RuntimeName } from './ground.ts'
import type { ContainerLimits } from '../../src/index.ts'
import type { FaultPlan } from './instrument/faults.ts'
import type { InstrumentedCopy } from './instrument/instrumented-copy.ts'
import type { ChaosPlan, CrashPlan } from './instrument/points.ts'
import { idsIn, parseJournal, type JournalEntry } from './journal.ts'
import { burstSizes, scenarios, type ScenarioName } from './scenarios.ts'
import { survive, type Survival, type SurvivorOptions } from './survivor.ts'
import type { VictimOrder } from './victim.ts'
import { sweep } from './world.ts'

/** Who dies. */
export type VictimName = 'embedder' | 'launcher'

export interface CrashOrder {
  readonly scenario: ScenarioName
  readonly handler: RuntimeName
  readonly victim: VictimName
  /** How many containers a burst is of. Default: the least. */
  readonly burst?: number | undefined
  readonly crash: CrashPlan | undefined
  /** Supervisors before it that were killed as well, one after the other: for scenarios that have a past. */
  readonly before?: readonly CrashPlan[]
  /** How the next supervisor is looked at. */
  readonly survivor?: Pick<SurvivorOptions, 'recovers' | 'patienceMs'>
  /** What else goes wrong. */
  readonly trouble?: Trouble | undefined
}

/** Faults of others than the supervisor, during the scenario. */
export interface Trouble {
  readonly name: string
  readonly fault?: FaultPlan
  /** Faults come before the runtime is open. */
  readonly early?: boolean
  /** The wall clock goes a day forth and back at every look. */
  readonly clockJumps?: boolean
  /** Shell text of a program in the runtime's place; `$real` is the real one, `$verb` what is asked of it. */
  readonly runtimeScript?: string
  readonly limits?: Partial<ContainerLimits>
  readonly mends?: boolean
  /** The exit of a container whose monitor was killed cannot be known. */
  readonly monitorsKilled?: boolean
}

export interface Theatre {
  /** A short private directory for all runs. */
  readonly directory: string
  readonly rootfs: string
  readonly copy: InstrumentedCopy
}

export interface CrashOutcome extends Survival {
  /** Those of its crashes that came about. Where none did, the supervisor was killed at rest. */
  readonly diedAt: readonly CrashPlan[]
  readonly journal: readonly JournalEntry[]
  readonly tookMs: number
}

const victimMaxMs = 60_000
let runs = 0

export async function crashRun(
  theatre: Theatre,
  order: CrashOrder,
  traceFile?: string,
): Promise<CrashOutcome> {
  const beganMs = performance.now()
  const ground = newGround(theatre, order)
  try {
    const past = await livePast(theatre, order, ground)
    const diedAt: CrashPlan[] = []
    for (const crash of order.before ?? []) {
      const { journal, died } = await runVictim(theatre, ground, { ...order, crash })
      past.push(...journal.filter(({ type }) => type === 'defect'))
      if (died) diedAt.push(crash)
    }
    const { journal, died } = await runVictim(theatre, ground, order, traceFile)
    if (died && order.crash !== undefined) diedAt.push(order.crash)
    const survival = await survive(ground, [...past, ...journal], {
      ...order.survivor,
      copy: theatre.copy,
      monitorsKilled: order.trouble?.monitorsKilled ?? false,
    })
    return { ...survival, diedAt, journal: [...past, ...journal], tookMs: performance.now() - beganMs }
  } finally {
    sweep(ground)
    if (ground.runtimePath !== undefined) rmSync(ground.runtimePath, { force: true })
    rmSync(ground.root, { recursive: true, force: true })
    rmSync(`${ground.root}.died`, { force: true })
  }
}

/** One scenario without a crash until its end, and what every process passed on its way. */
export interface Recording {
  /** In order; lines that begin with `!` are effects on the world. */
  readonly traces: Readonly<Record<VictimName, readonly string[]>>
  readonly outcome: CrashOutcome
}

export async function record(
  theatre: Theatre,
  scenario: ScenarioName,
  handler: RuntimeName,
  burst?: number,
): Promise<Recording> {
  const file = join(theatre.directory, `trace-${scenario}-${handler}`)
  const order: CrashOrder = { scenario, handler, victim: 'embedder', burst, crash: undefined }
  const outcome = await crashRun(theatre, order, file)
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  rmSync(file, { force: true })
  const of = (name: VictimName): string[] => {
    const own = lines.filter((line) => line.startsWith(`${name} `))
    return own.map((line) => line.slice(name.length + 1))
  }
  return { traces: { embedder: of('embedder'), launcher: of('launcher') }, outcome }
}

function newGround({ directory, rootfs }: Theatre, { handler, trouble }: CrashOrder): Ground {
  runs += 1
  const name = `${process.pid.toString(36)}${runs.toString(36)}`
  const root = join(directory, name)
  mkdirSync(root, { mode: 0o700 })
  const script = trouble?.runtimeScript
  const runtimePath = script === undefined ? undefined : writeWrapper(`${root}-runtime`, handler, script)
  return makeGround({ root, rootfs, handler, idPrefix: `x${name}`, runtimePath })
}

/** What an earlier supervisor left, and what happened after its end. */
async function livePast(theatre: Theatre, order: CrashOrder, ground: Ground): Promise<JournalEntry[]> {
  const { past } = scenarios[order.scenario]
  if (past === undefined) return []
  const quiet: CrashOrder = {
    ...order,
    scenario: past,
    victim: 'embedder',
    crash: undefined,
    trouble: undefined,
  }
  const { journal } = await runVictim(theatre, ground, quiet)
  for (const id of idsIn(journal)) if (id.endsWith('-ends')) letGo(ground, id)
  return journal
}

/** Runs a supervisor to its death: by itself at its passage, or by us when it has nothing more to do. */
async function runVictim(
  { copy }: Theatre,
  ground: Ground,
  { scenario, victim, burst = burstSizes[0], crash, trouble }: CrashOrder,
  traceFile?: string,
): Promise<{ journal: JournalEntry[]; died: boolean }> {
  // Beside what is checked: a launcher may die when its embedder has, and we look already.
  const diedFile = `${ground.root}.died`
  const plan = (name: VictimName): ChaosPlan => ({
    trace: traceFile === undefined ? undefined : { file: traceFile, process: name },
    crash: victim === name ? crash : undefined,
    diedFile,
    waitsForWindow: name === 'embedder',
  })
  const order: VictimOrder = {
    ground,
    scenario,
    burst,
    copy,
    plan: plan('embedder'),
    launcherPlan: plan('launcher'),
    fault: trouble?.fault,
    early: trouble?.early,
    clockJumps: trouble?.clockJumps,
    limits: trouble?.limits,
    mends: trouble?.mends,
  }
  const program = fileURLToPath(new URL('victim.ts', import.meta.url))
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', program, JSON.stringify(order)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: copy.compileCache },
    },
  )
  let out = ''
  let err = ''
  let overdue = false
  const timer = setTimeout(() => {
    overdue = true
    child.kill('SIGKILL')
  }, victimMaxMs)
  const exited = once(child, 'close')
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (err += chunk))
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk
    if (out.includes('"idle"')) child.kill('SIGKILL')
  })
  await exited
  clearTimeout(timer)
  const journal = parseJournal(out)
  if (overdue) journal.push({ type: 'defect', message: `did not come to an end within ${victimMaxMs} ms` })
  if (err !== '') journal.push({ type: 'defect', message: `stderr: ${err.slice(0, 2000)}` })
  if (child.signalCode !== 'SIGKILL')
    journal.push({ type: 'defect', message: `ended with ${String(child.exitCode ?? child.signalCode)}` })
  const died = existsSync(diedFile)
  rmSync(diedFile, { force: true })
  return { journal, died }
}

/** A program in the runtime's place. */
function writeWrapper(file: string, handler: RuntimeName, text: string): string {
  const script = `#!/bin/sh
real=${runtimePrograms[handler]}
for word in "$@"; do
  case $word in create|start|state|kill|delete|pause|resume|exec|update) verb=$word; break;; esac
done
${text}
exec "$real" "$@"
`
  writeFileSync(file, script, { mode: 0o755 })
  return file
}
