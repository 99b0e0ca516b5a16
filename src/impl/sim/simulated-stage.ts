/**
 * What a test does with the simulated world: says what its containers do and what goes wrong, looks at what is true, and
 * changes it behind the supervisor's back.
 *
 * Deliberately not here: what the supervisor asks for (`simulated-runtime.ts`).
 */
import type { Container } from '../../container.ts'
import { OciError, publicCall } from '../../errors/index.ts'
import type { Logger } from '../../surroundings/logger.ts'
import type { ContainerSelector, SimulatedFault } from './fault-script.ts'
import type { SimulatedCalls, SimulatedCall } from './simulated-calls.ts'
import type { SimulatedContainer } from './simulated-container.ts'
import { checkExitCode, type SimulatedCommand, type SimulatedProgram } from './simulated-program.ts'
import type { CommandSelector, SimulatedListener, SimulatedScript } from './simulated-script.ts'
import type { SimulatedState, SimulatedWorld } from './simulated-world.ts'

/** @internal What survives the restart of a supervisor. */
export interface Simulation {
  readonly world: SimulatedWorld
  readonly calls: SimulatedCalls
  readonly script: SimulatedScript
  readonly logger: Logger
  readonly containers: Map<string, Container>
}

export class SimulatedStage {
  /** @internal */
  protected readonly simulation: Simulation

  /** @internal */
  constructor(simulation: Simulation) {
    this.simulation = simulation
  }

  // What tests do: programs and faults.

  /**
   * What the process of these containers does, from their next `create` on. What it leaves out is derived from the
   * spec's arguments (`docs/testing.md` lists them). The later of two programs for the same container wins.
   * ERR_INVALID_ARGUMENT names the field that is wrong.
   *
   * @example
   * sim.program('job', { runsForMs: 5000, exitCode: 3 })
   * sim.program((container) => container.labels['app'] === 'web', { onTerm: 'ignore' })
   */
  program(containers: ContainerSelector, program: SimulatedProgram): void {
    publicCall({ operation: 'program' }, () => {
      checkSelector(containers)
      this.simulation.script.program(containers, program)
    })
  }

  /**
   * What a command does that is run in these containers, from the next one on: by the name of the program, or by a test of
   * all its arguments. The later of two that fit wins; `docs/testing.md` lists the commands that are known without it, and
   * any other is not found. ERR_INVALID_ARGUMENT names the field that is wrong.
   *
   * @example
   * sim.command('db', 'pg_isready', { exitCode: 2, output: 'no response\n' })
   * sim.command('db', (argv) => argv.includes('--slow'), async (argv, io) => { await io.sleep(5000) })
   */
  command(containers: ContainerSelector, which: CommandSelector, command: SimulatedCommand): void {
    publicCall({ operation: 'command' }, () => {
      checkSelector(containers)
      this.simulation.script.command(containers, which, command)
    })
  }

  /**
   * Serves a TCP port of these containers while they run, from the next connection on; undefined: nobody listens there any
   * more. A connection that the listener destroys instead of ending it is broken. ERR_INVALID_ARGUMENT for what is no port.
   *
   * @example
   * sim.listen('web', 8080, (connection) => connection.pipe(connection))
   */
  listen(containers: ContainerSelector, port: number, listener: SimulatedListener | undefined): void {
    publicCall({ operation: 'listen' }, () => {
      checkSelector(containers)
      this.simulation.script.listen(containers, port, listener)
    })
  }

  /**
   * Makes the next calls of an effect go wrong. Several faults for the same call are used up in the order they were
   * injected. ERR_INVALID_ARGUMENT names the field that is wrong.
   *
   * @example
   * sim.inject('web', { effect: 'create', fault: 'late', delayMs: 300_000 })
   */
  inject(containers: ContainerSelector, fault: SimulatedFault): void {
    publicCall({ operation: 'inject' }, () => {
      checkSelector(containers)
      this.simulation.calls.faults.inject(containers, fault)
    })
  }

  /** Forgets the faults that have not been used up. Calls that hang go on hanging. */
  clearFaults(): void {
    this.simulation.calls.faults.clear()
  }

  // What tests look at.

  /** What is true of a container, whatever its supervisor believes. An id that nobody knows is `absent`. */
  world(id: string): SimulatedState {
    return this.simulation.world.stateOf(id)
  }

  /** The containers that exist in the world, in the order of their creation: none after everything is deleted. */
  get ids(): readonly string[] {
    return this.simulation.world.ids
  }

  /** The calls of effects, oldest first; at most the last 10000. */
  get calls(): readonly SimulatedCall[] {
    return this.simulation.calls.list
  }

  /**
   * What the monitor has logged of the container's output, stdout and stderr together: one text for each log file,
   * `reopenContainerLog` begins the next. Of each the last MiB is kept. Empty for an id that does not exist.
   */
  logs(id: string): readonly string[] {
    return this.simulation.world.find(id)?.console.logs ?? []
  }

  // What tests do to the world behind the supervisor's back. Each throws ERR_NOT_FOUND for an id that does not exist.

  /** The process ends by itself, now, frozen or not. */
  exitNow(id: string, exitCode: number): void {
    checkExitCode('exitCode', exitCode)
    this.#existing(id).process.end({ code: exitCode, oomKilled: false })
  }

  /** The kernel's OOM killer ends the process: 137, and the evidence for it. */
  oomKill(id: string): void {
    this.#existing(id).process.end({ code: 137, oomKilled: true })
  }

  /** Somebody else starts the container. Throws what the runtime would: ERR_NOT_RUNNING, ERR_RUNTIME_FAILED. */
  startFromOutside(id: string): void {
    this.simulation.world.start(this.#existing(id))
  }

  /** Somebody else freezes the container. */
  freezeFromOutside(id: string): void {
    this.#existing(id).freeze()
  }

  /** Somebody else thaws the container. */
  thawFromOutside(id: string): void {
    this.#existing(id).thaw()
  }

  /** Somebody else deletes the container by force: it is killed, its exit reported, and the runtime knows it no more. */
  deleteFromOutside(id: string): void {
    this.#existing(id)
    this.simulation.world.remove(id)
  }

  /** The monitor dies. The process goes on; its exit will never be reported. */
  killMonitor(id: string): void {
    this.#existing(id).monitor.end()
  }

  /** The monitor lives on but reports nothing until {@link unmuteMonitor}, as conmon behind a client that does not read. */
  muteMonitor(id: string): void {
    this.#existing(id).monitor.mute()
  }

  /** The monitor reports again, first of all an exit that it has kept to itself. */
  unmuteMonitor(id: string): void {
    this.#existing(id).monitor.unmute()
  }

  /** The process ends and its monitor, though alive, does not report it. */
  killProcessSilently(id: string): void {
    const { monitor, process } = this.#existing(id)
    monitor.mute()
    process.end({ code: 137, oomKilled: false })
  }

  #existing(id: string): SimulatedContainer {
    const found = this.simulation.world.find(id)
    if (found !== undefined) return found
    const name = typeof id === 'string' ? id : `of type ${typeof id}`
    throw new OciError('ERR_NOT_FOUND', `container ${name} does not exist in the simulated world`, {
      containerId: name,
    })
  }
}

function checkSelector(containers: unknown): void {
  if (typeof containers === 'string' || typeof containers === 'function') return
  throw new OciError('ERR_INVALID_ARGUMENT', 'containers must be an id or a function', {
    field: 'containers',
  })
}
