/**
 * The supervisor that comes after the one that was killed: it recovers, is compared with the world and with what was
 * promised, brings every container to its end, uses the id again, and closes. Every sentence returned is a violation.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  Container,
  defaultSpec,
  defineConfig,
  isOciError,
  Runtime,
  writeBundle,
  type ContainerPhase,
  type ExitStatus,
} from '../../src/index.ts'
import {
  bundleOf,
  configInputOf,
  launcherOf,
  letGo,
  runtimePrograms,
  truthOf,
  type Ground,
} from './ground.ts'
import { writeLauncher, type InstrumentedCopy } from './instrument/instrumented-copy.ts'
import { idsIn, promisedOf, type JournalEntry, type Promised } from './journal.ts'
import { leftovers, sightOf, stopIsRecorded, type Sight } from './world.ts'

export interface Survival {
  readonly violations: readonly string[]
  /** How long `Runtime.open` took. */
  readonly recoveryMs: number
  /** What was found of each container, for the reader of a violation. */
  readonly found: readonly string[]
}

export interface SurvivorOptions {
  /** The exit of a container whose monitor was killed cannot be known. */
  readonly monitorsKilled?: boolean
  /** False: it does not recover, to see that the checker sees. */
  readonly recovers?: boolean
  /** How long what is left may take to go away by itself. Default 8 s. */
  readonly patienceMs?: number
  /** Whose launcher is used: it is up sooner than the one of the sources. */
  readonly copy: InstrumentedCopy
}

const settleMaxMs = 20_000
const pollMs = 20

/** Phases in which a container rests; from all others it moves on by itself. */
const restingPhases: ReadonlySet<ContainerPhase> = new Set([
  'failed',
  'created',
  'running',
  'paused',
  'stopped',
  'deleted',
])

export async function survive(
  ground: Ground,
  journal: readonly JournalEntry[],
  options: SurvivorOptions,
): Promise<Survival> {
  const violations: string[] = []
  const found: string[] = []
  for (const entry of journal) if (entry.type === 'defect') violations.push(`the victim: ${entry.message}`)
  const ids = idsIn(journal)
  const stopping = new Set(ids.filter((id) => stopIsRecorded(ground, id)))
  const real = { ...ground, runtimePath: runtimePrograms[ground.handler], conmon: undefined }
  const config = defineConfig(configInputOf(real))
  const beganMs = performance.now()
  let runtime: Runtime
  const launcherPath = launcherOf(ground, 'next')
  writeLauncher(launcherPath, options.copy, { waitsForWindow: true, diedFile: '' })
  const { recovers: recover = true, patienceMs = 8000 } = options
  try {
    runtime = await Runtime.open(config, { launcherPath, recover })
  } catch (error) {
    return {
      violations: [...violations, `the next supervisor does not open: ${text(error)}`],
      recoveryMs: 0,
      found,
    }
  }
  const recoveryMs = performance.now() - beganMs
  try {
    const strangers = runtime.containers.list().filter(({ id }) => !ids.includes(id))
    for (const { id } of strangers) violations.push(`${id} is known, and nobody created it`)
    const cases = ids.map((id) => {
      const promised = promisedOf(journal, id, options)
      return new Case({ ground: real, runtime, id, promised, stops: stopping.has(id), options })
    })
    await Promise.all(cases.map((one) => one.attempt(() => one.bringToItsEnd())))
    const left = await leftoversThatStay(real, patienceMs, (line) => !isOrphan(line))
    violations.push(...left.map((line) => `left behind by a deleted container: ${line}`))
    await Promise.all(cases.map((one) => one.attempt(() => one.useAgain())))
    for (const one of cases) {
      violations.push(...one.violations)
      found.push(one.found)
    }
  } finally {
    await runtime.close()
  }
  violations.push(
    ...(await leftoversThatStay(real, patienceMs, () => true)).map((left) => `left behind: ${left}`),
  )
  return { violations, recoveryMs, found }
}

async function leftoversThatStay(
  ground: Ground,
  patienceMs: number,
  counts: (line: string) => boolean,
): Promise<string[]> {
  const deadlineMs = performance.now() + patienceMs
  for (;;) {
    const left = leftovers(ground).filter((line) => counts(line))
    if (left.length === 0 || performance.now() > deadlineMs) return left
    await delay(pollMs)
  }
}

/**
 * What is there while the runtime is open, and what a create that was cut off before its entry in the index leaves:
 * nobody knows of it until the id is used again.
 */
function isOrphan(line: string): boolean {
  return /next-launcher\.mjs|^file b\/[^/]+\/\.?(container|state)\.json/.test(line)
}

interface CaseOptions {
  readonly ground: Ground
  readonly runtime: Runtime
  readonly id: string
  readonly promised: Promised
  /** A stop that was under way stands on disk. */
  readonly stops: boolean
  readonly options: SurvivorOptions
}

/** One container that the dead supervisor had to do with. */
class Case {
  readonly violations: string[] = []
  found = ''
  readonly id: string
  readonly #ground: Ground
  readonly #runtime: Runtime
  readonly #promised: Promised
  readonly #stops: boolean
  readonly #options: SurvivorOptions

  constructor({ ground, runtime, id, promised, stops, options }: CaseOptions) {
    this.id = id
    this.#ground = ground
    this.#runtime = runtime
    this.#promised = promised
    this.#stops = stops
    this.#options = options
  }

  async attempt(run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (error) {
      this.#violation(text(error))
    }
  }

  async bringToItsEnd(): Promise<void> {
    const container = this.#runtime.containers.get(this.id)
    this.found = `${this.id}: ${container?.phase ?? 'unknown here'}, runtime ${sightOf(this.#ground, this.id).status}`
    const { presence } = this.#promised
    if (container === undefined) {
      if (presence === 'must') this.#violation('was created, and is unknown after recovery')
      return
    }
    if (presence === 'mustNot') this.#violation(`was deleted, and is ${container.phase} again`)
    await this.#end(container)
  }

  async #end(container: Container): Promise<void> {
    const runtime = this.#runtime
    await this.#settled(container)
    this.#compare(container)
    if (container.phase === 'created') await runtime.startContainer(container)
    if (container.phase === 'paused') await runtime.unpauseContainer(container)
    letGo(this.#ground, this.id)
    if (container.phase !== 'failed') {
      const exit = await runtime.waitContainer(container, { signal: AbortSignal.timeout(settleMaxMs) })
      this.#checkExit(container, exit)
    }
    await runtime.deleteContainer(container)
    if (runtime.containers.get(this.id) !== undefined) this.#violation('was deleted, and is still listed')
    const sight = await this.#gone()
    if (!isNothing(sight)) this.#violation(`was deleted, and the host has ${JSON.stringify(sight)}`)
  }

  /** Waits out what goes on by itself. */
  async #settled(container: Container): Promise<void> {
    const deadlineMs = performance.now() + settleMaxMs
    const done = (): boolean =>
      restingPhases.has(container.phase) && !(this.#stops && container.status !== 'stopped')
    while (!done()) {
      if (performance.now() > deadlineMs) {
        const wish = this.#stops ? ', and a stop was asked for' : ''
        this.#violation(`is still ${container.phase} after ${settleMaxMs} ms${wish}`)
        return
      }
      await delay(pollMs)
    }
  }

  /** What is believed of it, against what was promised and against what is. */
  #compare(container: Container): void {
    const { phase, status } = container
    const { statuses } = this.#promised
    const seen = sightOf(this.#ground, this.id)
    const truth = truthOf(this.#ground, this.id)
    const allowed = [...statuses].map((one) => one ?? 'failed').join(', ')
    const ended = truth.code !== undefined && status === 'stopped'
    if (!statuses.has(status) && !ended) this.#violation(`is ${phase}, and could only be ${allowed}`)
    if (status === undefined || status === 'stopped') {
      if (seen.pids.length > 0) this.#violation(`is ${phase}, and processes ${seen.pids.join(', ')} live`)
      return
    }
    const ends = truth.code !== undefined
    if (!ends && seen.pids.length === 0) this.#violation(`is ${phase}, and has no process`)
    if (!ends && seen.monitors.length !== 1 && this.#options.monitorsKilled !== true)
      this.#violation(`is ${phase}, and has ${seen.monitors.length} monitors`)
    if (!ends && seen.status !== status) this.#violation(`is ${phase}, and the runtime says ${seen.status}`)
    if (status === 'created' && truth.started) this.#violation('is created, and its program has begun')
  }

  #checkExit(container: Container, exit: ExitStatus): void {
    const { started, code } = truthOf(this.#ground, this.id)
    const { startMayFail, mayBeKilled } = this.#promised
    const said = exit.kind === 'code' ? `code ${exit.code}` : `unknown (${exit.why})`
    if (container.status !== 'stopped') this.#violation(`has exited, and is ${container.phase}`)
    if (exit.oomKilled) this.#violation('is said to be out of memory, and was not')
    if (exit.kind === 'unknown') {
      const excused = this.#options.monitorsKilled === true || (exit.why === 'start-failed' && startMayFail)
      if (!excused) this.#violation(`has exit ${said}, and its monitor lived`)
      if (exit.why === 'start-failed' && code !== undefined)
        this.#violation(`has exit ${said}, and its program ended with ${code}`)
      return
    }
    if (exit.code === code) return
    const killed = exit.code === 137 || (exit.code === 143 && !started)
    if (killed && (mayBeKilled || startMayFail) && (code === undefined || mayBeKilled)) return
    this.#violation(`has exit ${said}, and its program ${code === undefined ? 'was killed' : `said ${code}`}`)
  }

  /** The id in use again: nothing of the old one is in its way, and nothing of the old one is taken for the new one. */
  async useAgain(): Promise<void> {
    const runtime = this.#runtime
    const { rootfs } = this.#ground
    const bundlePath = bundleOf(this.#ground, this.id)
    // Its program ends at once, with a code of its own.
    const args = ['/bin/sh', '-c', 'exit 42']
    await writeBundle(bundlePath, defaultSpec({ rootfs, args, cgroupsPath: `/${this.id}` }))
    const container = new Container({ id: this.id, bundlePath })
    try {
      await runtime.createContainer(container)
      await runtime.startContainer(container)
      const exit = await runtime.waitContainer(container, { signal: AbortSignal.timeout(settleMaxMs) })
      if (exit.kind !== 'code' || exit.code !== 42)
        this.#violation(`was used again, and exited with ${JSON.stringify(exit)} in place of 42`)
    } catch (error) {
      this.#violation(`cannot be used again: ${text(error)}`)
    }
    if (runtime.containers.get(this.id) === container) await runtime.deleteContainer(container)
  }

  async #gone(): Promise<Sight> {
    const deadlineMs = performance.now() + (this.#options.patienceMs ?? 8000)
    for (;;) {
      const sight = sightOf(this.#ground, this.id)
      if (isNothing(sight) || performance.now() > deadlineMs) return sight
      await delay(pollMs)
    }
  }

  #violation(sentence: string): void {
    this.violations.push(`${this.id} ${sentence}`)
  }
}

function isNothing({ status, pids, monitors }: Sight): boolean {
  return status === 'absent' && pids.length === 0 && monitors.length === 0
}

function text(error: unknown): string {
  return isOciError(error) ? `${error.code}: ${error.message}` : String(error)
}
