/**
 * The host of the simulated runtime: its containers, processes, monitors and the evidence of exits. It is what is true,
 * whatever a supervisor believes, and it outlives the supervisor's restart.
 *
 * Deliberately not here: AbortSignals, faults and the port; this file is what a runtime and a kernel would do at once.
 */
import { timestampOf, type Clock } from '../../surroundings/clock.ts'
import type { OciLinuxResources } from '../../bundle/oci-spec.ts'
import type { Container } from '../../container.ts'
import { toResources } from '../requests/resources.ts'
import type { ExitFact, Observation, ProcessIdentity } from '../runtime-impl.ts'
import { notRunning, refusal } from './refusals.ts'
import { SimulatedContainer, type ContainerHost } from './simulated-container.ts'
import type { SimulatedExec } from './simulated-exec.ts'
import { SIGKILL, type ProcessEnd } from './simulated-process.ts'
import type { SimulatedScript } from './simulated-script.ts'

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
  /** Its limits as they are now. */
  readonly resources: OciLinuxResources
  /** The exit as the monitor reported it, until that is discarded; also after the runtime has forgotten the container. */
  readonly exit: ExitFact | undefined
}

/** Linux gives no pid above 2²²: no simulated process is ever mistaken for one of the host's. */
const firstPid = 2 ** 22 + 1

export class SimulatedWorld implements ContainerHost {
  readonly clock: Clock
  readonly killsFrozen: boolean
  readonly #script: SimulatedScript
  readonly #containers = new Map<string, SimulatedContainer>()
  readonly #exits = new Map<string, ExitFact>()
  readonly #living = new Map<number, ProcessIdentity>()
  readonly #exitListeners = new Set<(id: string) => void>()
  #nextPid = firstPid

  constructor(clock: Clock, killsFrozen: boolean, script: SimulatedScript) {
    this.clock = clock
    this.killsFrozen = killsFrozen
    this.#script = script
  }

  get ids(): string[] {
    return [...this.#containers.keys()]
  }

  /** The commands that run, in all containers. */
  get execs(): SimulatedExec[] {
    return [...this.#containers.values()].flatMap(({ execs }) => execs)
  }

  stateOf(id: string): SimulatedState {
    const found = this.#containers.get(id)
    return {
      exists: found !== undefined,
      status: statusOf(found),
      pid: found?.process.identity.pid ?? 0,
      alive: found?.process.alive ?? false,
      frozen: found?.process.frozen ?? false,
      monitorAlive: found?.monitor.alive ?? false,
      oomKilled: found?.oomKilled ?? false,
      processesLeft: found?.processesLeft ?? false,
      signals: found?.process.signals ?? [],
      resources: toResources(found?.limits ?? {}),
      exit: this.#exits.get(id),
    }
  }

  isAlive({ pid, startTicks }: ProcessIdentity): boolean {
    return this.#living.get(pid)?.startTicks === startTicks
  }

  /** What the kernel would show of a process: a KILL that has not ended it waits for the end of a sleep. */
  schedulingState({ pid, startTicks }: ProcessIdentity): string | undefined {
    if (!this.isAlive({ pid, startTicks })) return undefined
    const containers = [...this.#containers.values()]
    const process = containers.find((each) => each.process.identity.pid === pid)?.process
    return process?.signals.includes(SIGKILL) === true ? 'D' : 'S'
  }

  find(id: string): SimulatedContainer | undefined {
    return this.#containers.get(id)
  }

  create(container: Container): SimulatedContainer {
    const { id } = container
    if (this.#containers.has(id)) {
      throw refusal('ERR_CREATE_FAILED', id, 'exists already; delete it first')
    }
    const program = this.#script.programOf(container)
    const created = new SimulatedContainer(this, container, program, (end) => this.#ended(created, end))
    this.#containers.set(id, created)
    return created
  }

  start(found: SimulatedContainer): void {
    assertAlive(found)
    if (found.process.started) throw refusal('ERR_RUNTIME_FAILED', found.id, 'is running already')
    if (found.process.frozen) throw refusal('ERR_RUNTIME_FAILED', found.id, 'is paused; resume it first')
    found.start()
  }

  signal(found: SimulatedContainer, init: ProcessIdentity, number: number): void {
    if (!isInit(found, init)) throw notRunning(found.id)
    assertAlive(found)
    found.process.signal(number)
  }

  pause(found: SimulatedContainer): void {
    assertAlive(found)
    found.freeze()
  }

  resume(found: SimulatedContainer): void {
    assertAlive(found)
    found.thaw()
  }

  /** Kills what init left behind. */
  killRemaining(id: string): void {
    const found = this.#containers.get(id)
    if (found !== undefined && !found.process.alive) found.processesLeft = false
  }

  /** As `delete` without force: a created container may go, a running or paused one may not. */
  delete(id: string): void {
    const found = this.#containers.get(id)
    if (found === undefined) return
    if (found.process.alive && (found.process.started || found.process.frozen)) {
      throw refusal('ERR_RUNTIME_FAILED', id, `is ${found.status}; stop it first`)
    }
    this.remove(id)
  }

  /** As `delete --force`: ends everything. A monitor that can still reports the exit, which stays until it is discarded. */
  remove(id: string): void {
    const found = this.#containers.get(id)
    if (found === undefined) return
    found.destroy()
    this.#containers.delete(id)
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

  spawn(): ProcessIdentity {
    const pid = this.#nextPid++
    const identity = { pid, startTicks: String(pid) }
    this.#living.set(pid, identity)
    return identity
  }

  gone({ pid }: ProcessIdentity): void {
    this.#living.delete(pid)
  }

  #ended({ id, monitor, program }: SimulatedContainer, { code }: ProcessEnd): void {
    const finished = timestampOf(this.clock)
    monitor.processEnded(() => {
      this.#exits.set(id, { id, code, finished })
      for (const listener of this.#exitListeners) listener(id)
    }, program.exitReportedAfterMs ?? 0)
  }
}

export function statusOf(found: SimulatedContainer | undefined): Observation['status'] {
  return found?.status ?? 'absent'
}

/** Whether that is the process of the container that exists now. */
export function isInit({ process }: SimulatedContainer, init: ProcessIdentity): boolean {
  return process.identity.pid === init.pid && process.identity.startTicks === init.startTicks
}

function assertAlive(found: SimulatedContainer): void {
  if (!found.process.alive) throw notRunning(found.id)
}
