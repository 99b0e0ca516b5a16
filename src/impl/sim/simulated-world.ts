/**
 * The host of the simulated runtime: its containers, processes, monitors and the evidence of exits. It is what is true,
 * whatever a supervisor believes, and it outlives the supervisor's restart.
 *
 * Deliberately not here: AbortSignals, faults and the port; this file is what a runtime and a kernel would do at once.
 */
import { timestampOf, type Clock } from '../../surroundings/clock.ts'
import type { Container } from '../../container.ts'
import { OciError, type ErrorCode } from '../../errors/index.ts'
import type { ExitFact, Observation, ProcessIdentity } from '../runtime-impl.ts'
import { selects, type ContainerSelector } from './fault-script.ts'
import { SimulatedMonitor } from './simulated-monitor.ts'
import { SIGKILL, SimulatedProcess, type ProcessEnd } from './simulated-process.ts'
import { programOf, type SimulatedProgram } from './simulated-program.ts'

/** What is true of one container in the simulated world, at this moment. */
export interface SimulatedState {
  /** Whether the runtime knows the container. */
  readonly exists: boolean
  readonly status: Observation['status']
  /** Its init process, dead or alive; 0 when the runtime does not know the container. */
  readonly pid: number
  /** Whether the init process lives. */
  readonly alive: boolean
  readonly frozen: boolean
  readonly monitorAlive: boolean
  readonly oomKilled: boolean
  /** Whether processes live that its init left behind. */
  readonly processesLeft: boolean
  /** The signals its init was sent, in order. */
  readonly signals: readonly number[]
  /** The exit as the monitor reported it, until that is discarded; also after the runtime has forgotten the container. */
  readonly exit: ExitFact | undefined
}

/** A container that the runtime knows. */
export interface WorldEntry {
  readonly id: string
  readonly process: SimulatedProcess
  readonly monitor: SimulatedMonitor
  readonly program: SimulatedProgram
  oomKilled: boolean
  processesLeft: boolean
}

/** Linux gives no pid above 2²²: no simulated process is ever mistaken for one of the host's. */
const firstPid = 2 ** 22 + 1

export class SimulatedWorld {
  readonly clock: Clock
  readonly #killsFrozen: boolean
  readonly #entries = new Map<string, WorldEntry>()
  readonly #exits = new Map<string, ExitFact>()
  readonly #living = new Map<number, ProcessIdentity>()
  readonly #programs: { selector: ContainerSelector; program: SimulatedProgram }[] = []
  readonly #exitListeners = new Set<(id: string) => void>()
  #nextPid = firstPid

  constructor(clock: Clock, killsFrozen: boolean) {
    this.clock = clock
    this.#killsFrozen = killsFrozen
  }

  get ids(): string[] {
    return [...this.#entries.keys()]
  }

  stateOf(id: string): SimulatedState {
    const entry = this.#entries.get(id)
    return {
      exists: entry !== undefined,
      status: statusOf(entry),
      pid: entry?.process.identity.pid ?? 0,
      alive: entry?.process.alive ?? false,
      frozen: entry?.process.frozen ?? false,
      monitorAlive: entry?.monitor.alive ?? false,
      oomKilled: entry?.oomKilled ?? false,
      processesLeft: entry?.processesLeft ?? false,
      signals: entry?.process.signals ?? [],
      exit: this.#exits.get(id),
    }
  }

  /** The later of two programs for the same container wins. */
  program(selector: ContainerSelector, program: SimulatedProgram): void {
    this.#programs.unshift({ selector, program })
  }

  isAlive({ pid, startTicks }: ProcessIdentity): boolean {
    return this.#living.get(pid)?.startTicks === startTicks
  }

  /** What the kernel would show of a process: a KILL that has not ended it waits for the end of a sleep. */
  schedulingState({ pid, startTicks }: ProcessIdentity): string | undefined {
    if (!this.isAlive({ pid, startTicks })) return undefined
    const entries = [...this.#entries.values()]
    const process = entries.find((entry) => entry.process.identity.pid === pid)?.process
    return process?.signals.includes(SIGKILL) === true ? 'D' : 'S'
  }

  find(id: string): WorldEntry | undefined {
    return this.#entries.get(id)
  }

  create(container: Container): WorldEntry {
    const { id } = container
    if (this.#entries.has(id)) {
      throw refusal('ERR_CREATE_FAILED', id, 'create', 'exists already; delete it first')
    }
    const scripted = this.#programs.find(({ selector }) => selects(selector, id, container))
    const program = { ...programOf(container), ...scripted?.program }
    const monitorIdentity = this.#newProcess()
    const identity = this.#newProcess()
    const monitor = new SimulatedMonitor(monitorIdentity, this.clock, () =>
      this.#living.delete(monitorIdentity.pid),
    )
    const process = new SimulatedProcess({
      identity,
      program,
      clock: this.clock,
      stopSignal: container.stopSignal,
      killsFrozen: this.#killsFrozen,
      onEnd: (end) => {
        this.#ended(entry, end)
      },
    })
    const entry: WorldEntry = { id, process, monitor, program, oomKilled: false, processesLeft: false }
    this.#entries.set(id, entry)
    return entry
  }

  start(entry: WorldEntry): void {
    this.#assertAlive(entry, 'start')
    if (entry.process.started) throw refusal('ERR_RUNTIME_FAILED', entry.id, 'start', 'is running already')
    if (entry.process.frozen)
      throw refusal('ERR_RUNTIME_FAILED', entry.id, 'start', 'is paused; resume it first')
    entry.process.start()
  }

  signal(entry: WorldEntry, init: ProcessIdentity, number: number): void {
    const { pid, startTicks } = entry.process.identity
    if (init.pid !== pid || init.startTicks !== startTicks) throw notRunning(entry.id, 'signal')
    this.#assertAlive(entry, 'signal')
    entry.process.signal(number)
  }

  pause(entry: WorldEntry): void {
    this.#assertAlive(entry, 'pause')
    entry.process.freeze()
  }

  resume(entry: WorldEntry): void {
    this.#assertAlive(entry, 'resume')
    entry.process.thaw()
  }

  /** Kills what init left behind. */
  killRemaining(id: string): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined && !entry.process.alive) entry.processesLeft = false
  }

  /** As `delete` without force: a created container may go, a running or paused one may not. */
  delete(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    if (entry.process.alive && (entry.process.started || entry.process.frozen)) {
      throw refusal('ERR_RUNTIME_FAILED', id, 'delete', `is ${statusOf(entry)}; stop it first`)
    }
    this.remove(id)
  }

  /** As `delete --force`: ends everything. A monitor that can still reports the exit, which stays until it is discarded. */
  remove(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    entry.process.end({ code: 137, oomKilled: false })
    entry.monitor.finish()
    this.#entries.delete(id)
  }

  /** The evidence of an exit, until it is discarded. */
  exitOf(id: string): ExitFact | undefined {
    return this.#exits.get(id)
  }

  discardExit(id: string): void {
    this.#exits.delete(id)
  }

  onExit(listener: (id: string) => void): () => void {
    this.#exitListeners.add(listener)
    return () => {
      this.#exitListeners.delete(listener)
    }
  }

  #ended(entry: WorldEntry, { code, oomKilled }: ProcessEnd): void {
    this.#living.delete(entry.process.identity.pid)
    entry.processesLeft = entry.process.started && entry.program.leavesProcesses === true
    entry.oomKilled = oomKilled
    const finished = timestampOf(this.clock)
    entry.monitor.processEnded(() => {
      this.#exits.set(entry.id, { id: entry.id, code, finished })
      for (const listener of this.#exitListeners) listener(entry.id)
    }, entry.program.exitReportedAfterMs ?? 0)
  }

  #newProcess(): ProcessIdentity {
    const pid = this.#nextPid++
    const identity = { pid, startTicks: String(pid) }
    this.#living.set(pid, identity)
    return identity
  }

  #assertAlive(entry: WorldEntry, operation: string): void {
    if (!entry.process.alive) throw notRunning(entry.id, operation)
  }
}

export function statusOf(entry: WorldEntry | undefined): Observation['status'] {
  if (entry === undefined) return 'absent'
  if (!entry.process.alive) return 'stopped'
  if (entry.process.frozen) return 'paused'
  return entry.process.started ? 'running' : 'created'
}

export function notRunning(id: string, operation: string): OciError {
  return refusal('ERR_NOT_RUNNING', id, operation, 'is not running')
}

export function unknownToRuntime(id: string, operation: string): OciError {
  return refusal('ERR_UNKNOWN_TO_RUNTIME', id, operation, 'is not known to the simulated runtime')
}

function refusal(code: ErrorCode, containerId: string, operation: string, problem: string): OciError {
  return new OciError(code, `container ${containerId} ${problem}`, { containerId, operation })
}
