/**
 * A container that the simulated runtime knows: its process, its monitor, the commands that run in it, and what they use.
 *
 * Deliberately not here: whether something is allowed now (`simulated-world.ts`), and whose exits are heard.
 */
import type { Clock } from '../../surroundings/clock.ts'
import type { Container } from '../../container.ts'
import type { ExecCommand } from '../exec-port.ts'
import type { Limits } from '../requests/resources.ts'
import type { Observation, ProcessIdentity } from '../runtime-impl.ts'
import { environmentOf } from './known-commands.ts'
import { SimulatedConsole } from './simulated-console.ts'
import { SimulatedExec, type ExecConnection } from './simulated-exec.ts'
import { limitsOfSpec } from './simulated-host.ts'
import { ratesOf, SimulatedMeter } from './simulated-meter.ts'
import { SimulatedMonitor } from './simulated-monitor.ts'
import { SimulatedProcess, type ProcessEnd, type ProcessStreams } from './simulated-process.ts'
import type { SimulatedProgram, SimulatedUsage } from './simulated-program.ts'

/** What a container needs of its host. */
export interface ContainerHost {
  readonly clock: Clock
  /** Whether KILL ends a frozen process at once. */
  readonly killsFrozen: boolean
  /** A new process, alive until it is `gone`. */
  spawn(): ProcessIdentity
  gone(identity: ProcessIdentity): void
}

export class SimulatedContainer {
  readonly container: Container
  readonly program: SimulatedProgram
  readonly process: SimulatedProcess
  readonly monitor: SimulatedMonitor
  readonly console: SimulatedConsole
  readonly meter: SimulatedMeter
  oomKilled = false
  /** Whether processes live that its init left behind. */
  processesLeft = false
  readonly #host: ContainerHost
  readonly #execs = new Map<SimulatedExec, SimulatedProgram>()
  #limits: Limits
  #startedAtMs = 0

  constructor(
    host: ContainerHost,
    container: Container,
    program: SimulatedProgram,
    onEnd: (end: ProcessEnd) => void,
  ) {
    const { clock, killsFrozen } = host
    this.#host = host
    this.container = container
    this.program = program
    this.meter = new SimulatedMeter(clock)
    this.#limits = limitsOfSpec(container.spec)
    const monitorIdentity = host.spawn()
    this.monitor = new SimulatedMonitor(monitorIdentity, clock, () => {
      host.gone(monitorIdentity)
      this.console.end()
    })
    const identity = host.spawn()
    this.process = new SimulatedProcess({
      identity,
      program,
      clock,
      killsFrozen,
      argv: container.spec?.process?.args ?? [],
      stopSignal: container.stopSignal,
      isInit: true,
      openStreams: () => this.#initStreams(),
      onChange: () => this.#measure(),
      onEnd: (end) => {
        host.gone(identity)
        this.#initEnded(end)
        onEnd(end)
      },
    })
    const attention = this.monitor.whenListening
    this.console = new SimulatedConsole({ container, clock, gate: this.process.whenRunnable, attention })
  }

  get id(): string {
    return this.container.id
  }

  get status(): Observation['status'] {
    if (!this.process.alive) return 'stopped'
    if (!this.process.started) return 'created'
    return this.process.frozen ? 'paused' : 'running'
  }

  get limits(): Limits {
    return this.#limits
  }

  set limits(limits: Limits) {
    this.#limits = limits
    this.#measure()
  }

  /** The commands in it that are not over. */
  get execs(): SimulatedExec[] {
    return [...this.#execs.keys()]
  }

  /** What each of its processes uses while it is there. */
  get usages(): readonly SimulatedUsage[] {
    const init = this.process.alive && this.process.started ? [this.program] : []
    const execs = [...this.#execs].flatMap(([exec, program]) => (exec.process.alive ? [program] : []))
    return [...init, ...execs].map(({ usage = {} }) => usage)
  }

  /** How long its process has run, or ran. */
  get ageMs(): number {
    return this.process.started ? this.#host.clock.now() - this.#startedAtMs : 0
  }

  start(): void {
    this.#startedAtMs = this.#host.clock.now()
    this.process.start()
  }

  freeze(): void {
    this.process.freeze()
    for (const exec of this.#execs.keys()) exec.process.freeze()
  }

  thaw(): void {
    this.process.thaw()
    for (const exec of this.#execs.keys()) exec.process.thaw()
  }

  /** Runs a command in it. In a frozen container it is frozen from its first moment on. */
  exec(
    id: string,
    command: ExecCommand,
    program: SimulatedProgram,
    connection: ExecConnection,
  ): SimulatedExec {
    const { clock, killsFrozen } = this.#host
    const identity = this.#host.spawn()
    const exec = new SimulatedExec({
      id,
      identity,
      program,
      clock,
      killsFrozen,
      command,
      connection,
      container: this.container,
      onChange: () => this.#measure(),
      onEnd: () => {
        this.#host.gone(identity)
        this.#measure()
      },
      onGone: () => this.#execs.delete(exec),
    })
    this.#execs.set(exec, program)
    if (this.process.frozen) exec.process.freeze()
    exec.start()
    return exec
  }

  /** Ends everything in it, also what KILL does not. */
  destroy(): void {
    this.process.end({ code: 137, oomKilled: false })
    for (const exec of this.#execs.keys()) {
      exec.process.end({ code: 137, oomKilled: false })
      exec.releaseOutput()
    }
    this.monitor.finish()
  }

  /** The kernel kills what is in a pid namespace with its first process; and who is frozen is thawed for it. */
  #initEnded({ oomKilled }: ProcessEnd): void {
    this.processesLeft = this.process.started && this.program.leavesProcesses === true
    this.oomKilled = oomKilled
    for (const exec of this.#execs.keys()) {
      exec.process.thaw()
      exec.kill()
    }
    this.#measure()
    this.monitor.whenListening(() => this.console.end())
  }

  #measure(): void {
    const running = this.process.alive && !this.process.frozen
    this.meter.set(ratesOf(running ? this.usages : []), this.#limits)
  }

  #initStreams(): ProcessStreams {
    const { process: own } = this.container.spec ?? {}
    const { console } = this
    return {
      ...console.streams(),
      env: environmentOf(own?.env ?? []),
      cwd: own?.cwd ?? '/',
      user: own?.user,
      get terminalSize() {
        return console.terminalSize
      },
    }
  }
}
