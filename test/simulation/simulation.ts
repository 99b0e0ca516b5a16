/**
 * A whole host in simulated time: many containers, the real machines, registry, exits and recovery over a simulated
 * runtime and disk; everything may go wrong, and the supervisor be killed at any moment. One seed is one history.
 */
import { createHash, type Hash } from 'node:crypto'
import { Container, defineConfig, isOciError, Runtime, type ContainerEvent } from '../../src/index.ts'
import { SimulatedClock, SimulatedRuntime, type SimulatedProgram } from '../../src/testing.ts'
import { lifecycleEffects } from '../../src/impl/sim/fault-script.ts'
import { createRandom, type Random } from '../chaos/random.ts'
import { Checkers, type Promised } from './checkers.ts'
import { mortal } from './mortal-runtime.ts'
import { SimulatedDisk } from './simulated-disk.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly steps: number
  /** At the same time. */
  readonly containersMax?: number
  /** Every line of the history. */
  readonly onLine?: (line: string) => void
}

export interface SimulationResult {
  readonly hash: string
  readonly linesCount: number
  readonly eventsCount: number
  readonly containersCount: number
  readonly restartsCount: number
  readonly simulatedMs: number
  readonly violations: readonly string[]
}

interface Supervisor {
  readonly runtime: Runtime
  dead: boolean
}

interface Member {
  readonly promised: Promised
  readonly program: SimulatedProgram
}

const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
/** Longer than every limit of time with all its retries. */
const patienceMs = 400_000

export class Simulation {
  readonly #options: SimulationOptions
  readonly #random: Random
  readonly #clock = new SimulatedClock({ waitForFiles: false })
  readonly #disk: SimulatedDisk
  readonly #checkers = new Checkers()
  readonly #members = new Map<string, Member>()
  readonly #hash: Hash = createHash('sha256')
  #sim = new SimulatedRuntime({ clock: this.#clock })
  #supervisor: Supervisor | undefined
  #linesCount = 0
  #eventsCount = 0
  #containersCount = 0
  #restartsCount = 0
  #openCount = 0

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#random = createRandom(options.seed)
    this.#disk = new SimulatedDisk(this.#clock, this.#random)
  }

  async run(): Promise<SimulationResult> {
    await this.#boot()
    for (let step = 0; step < this.#options.steps && this.#checkers.violations.length === 0; step++) {
      await this.#step()
      this.#checkers.look(this.#containers())
    }
    if (this.#checkers.violations.length === 0) await this.#end()
    return {
      hash: this.#hash.digest('hex'),
      linesCount: this.#linesCount,
      eventsCount: this.#eventsCount,
      containersCount: this.#containersCount,
      restartsCount: this.#restartsCount,
      simulatedMs: this.#clock.now(),
      violations: this.#checkers.violations,
    }
  }

  async #step(): Promise<void> {
    const chance = this.#random.below(100)
    if (chance < 16) this.#create()
    else if (chance < 56) this.#command()
    else if (chance < 64) this.#happen()
    else if (chance < 72) this.#inject()
    else if (chance < 73) this.#refuse()
    else if (chance < 75) await this.#crash()
    else if (chance < 97) await this.#clock.advance(this.#random.below(30))
    else await this.#clock.advance(this.#random.below(20_000))
    await this.#clock.settle()
  }

  #create(): void {
    if (this.#members.size >= (this.#options.containersMax ?? 200)) return
    this.#containersCount += 1
    const id = `c${this.#containersCount}`
    const exitCode = 1 + this.#random.below(90)
    const program: SimulatedProgram = {
      exitCode,
      onTerm: this.#pick(['exit', 'ignore', { exitCode, afterMs: 300 }]),
      onKill: this.#pick(['exit', 'exit', { afterMs: 700 }]),
      leavesProcesses: this.#random.below(8) === 0,
      exitReportedAfterMs: this.#pick([0, 0, 40, 900]),
      exitsBeforeStart: this.#random.below(20) === 0,
      ...(this.#random.below(3) === 0 ? { runsForMs: this.#random.below(30_000) } : {}),
    }
    const promised = this.#checkers.promised(id, [exitCode, 137, 143])
    this.#members.set(id, { promised, program })
    this.#sim.program(id, program)
    const container = new Container({
      id,
      bundlePath: `/simulated/${id}`,
      createdAt: new Date(this.#clock.timestamp()),
    })
    this.#ask(id, 'create', (runtime) => runtime.createContainer(container))
  }

  #command(): void {
    const member = this.#anyMember()
    const container = member && this.#containers().get(member.promised.id)
    if (member === undefined || container === undefined) return
    const { promised } = member
    const verb = this.#pick(['start', 'start', 'start', 'pause', 'unpause', 'stop', 'delete', 'refresh'])
    if (verb === 'stop' || verb === 'delete') promised.endAsked = true
    if (verb === 'delete') promised.deleteAsked = true
    const seconds = this.#pick([0, 1, 5, 10])
    this.#ask(promised.id, verb, (runtime) => {
      if (verb === 'start') return runtime.startContainer(container)
      if (verb === 'pause') return runtime.pauseContainer(container)
      if (verb === 'unpause') return runtime.unpauseContainer(container)
      if (verb === 'stop') return runtime.stopContainer(container, seconds)
      return verb === 'delete' ? runtime.deleteContainer(container) : runtime.updateContainerStatus(container)
    })
  }

  /** Something happens in the world that nobody has asked for. */
  #happen(): void {
    const member = this.#anyMember()
    if (member === undefined) return
    const { promised } = member
    const { id } = promised
    const { exists, status } = this.#sim.world(id)
    if (!exists) return
    const what = this.#pick([
      'exits',
      'exits',
      'exits',
      'loses its monitor',
      'is frozen',
      'is thawed',
      'is killed unseen',
    ])
    if (what === 'loses its monitor' || what === 'is killed unseen') promised.meddled = true
    this.#line(`${id} ${what} (${status})`)
    if (what === 'exits' && status === 'running') this.#sim.exitNow(id, member.program.exitCode ?? 0)
    if (what === 'loses its monitor') this.#sim.killMonitor(id)
    if (what === 'is frozen' && status === 'running') this.#sim.freezeFromOutside(id)
    if (what === 'is thawed' && status === 'paused') this.#sim.thawFromOutside(id)
    if (what === 'is killed unseen' && status === 'running') this.#sim.killProcessSilently(id)
  }

  #inject(): void {
    const member = this.#anyMember()
    if (member === undefined) return
    const { id } = member.promised
    const effect = this.#pick([...lifecycleEffects])
    const fault = this.#pick(['fail', 'failAfterEffect', 'hang', 'late'] as const)
    if (effect === 'discard' && fault === 'hang') return
    this.#line(`${id} ${effect} ${fault}`)
    const times = 1 + this.#random.below(3)
    if (fault === 'late' || fault === 'fail')
      this.#sim.inject(id, { effect, fault, times, delayMs: this.#random.below(15_000) })
    else this.#sim.inject(id, { effect, fault, times })
    // A create or start of unknown outcome is cleaned up, and with it what it might have ended with.
    member.promised.meddled = true
  }

  #refuse(): void {
    const ms = this.#random.below(8000)
    this.#line(`the disk refuses for ${ms} ms`)
    this.#disk.refuseFor(ms)
  }

  async #crash(): Promise<void> {
    this.#line('the supervisor is killed')
    const killed = this.#supervisor
    if (killed === undefined) return
    killed.dead = true
    this.#supervisor = undefined
    this.#sim = this.#sim.reopen()
    await this.#clock.runUntil(killed.runtime.close())
    this.#restartsCount += 1
    await this.#boot()
  }

  async #boot(): Promise<void> {
    const alive = { dead: false }
    const isDead = (): boolean => alive.dead
    this.#checkers.restarted()
    const opening = Runtime.open(config, {
      clock: this.#clock,
      implementations: { sim: () => mortal(this.#sim, { clock: this.#clock, random: this.#random, isDead }) },
      stateDirectory: this.#disk.mount(isDead),
      recover: false,
    })
    const runtime = await this.#clock.runUntil(opening)
    this.#supervisor = Object.assign(alive, { runtime })
    runtime.events$.subscribe((event) => {
      if (event.type !== 'dropped' && !isDead()) this.#told(event)
    })
    const { adopted, exited, removed, unresolved, quarantined } = await this.#clock.runUntil(
      runtime.recover(),
    )
    const counts = [adopted, exited, removed, unresolved, quarantined].map((list) => list.length)
    this.#line(`recovered ${counts.join(' ')}`)
    for (const { id } of removed) this.#line(`${id} is removed by the recovery`)
  }

  /** Nothing goes wrong any more: everything is answered, can be deleted, and leaves nothing. */
  async #end(): Promise<void> {
    this.#line('nothing goes wrong any more')
    this.#sim.clearFaults()
    this.#disk.refuseFor(0)
    await this.#clock.advance(patienceMs)
    await this.#clock.settle()
    this.#checkers.look(this.#containers())
    if (this.#openCount > 0) this.#checkers.violations.push(`${this.#openCount} requests were never answered`)
    await this.#clock.runUntil(this.#runtime.recover())
    for (const [id, container] of this.#containers()) {
      if (container.phase === 'deleted') continue
      const member = this.#member(id)
      if (member !== undefined) [member.promised.endAsked, member.promised.deleteAsked] = [true, true]
      this.#ask(id, 'delete', (runtime) => runtime.deleteContainer(container))
    }
    await this.#clock.advance(patienceMs)
    await this.#clock.settle()
    const left = [...this.#sim.ids, ...(await this.#onDisk())]
    if (left.length > 0) this.#checkers.violations.push(`left behind: ${left.join(', ')}`)
    await this.#clock.runUntil(this.#runtime.close())
    if (this.#clock.pending > 0) this.#checkers.violations.push(`${this.#clock.pending} timers are left`)
  }

  async #onDisk(): Promise<string[]> {
    const entries = (await this.#disk.memory.survivors?.list()) ?? []
    return entries.map(({ name }) => `${name} on disk`)
  }

  #ask(id: string, verb: string, ask: (runtime: Runtime) => Promise<unknown>): void {
    const supervisor = this.#supervisor
    if (supervisor === undefined) return
    this.#line(`${id} ${verb}?`)
    this.#openCount += 1
    const answered = (outcome: string): void => {
      this.#openCount -= 1
      // Whom the dead told, they told nothing.
      if (supervisor.dead) return
      this.#line(`${id} ${verb}: ${outcome}`)
      const isDurable = supervisor.runtime.containers.get(id)?.state.durable ?? true
      this.#checkers.answered(id, verb, outcome, isDurable)
      if (verb === 'delete' && outcome === 'done') this.#gone(id)
    }
    void outcomeOf(ask(supervisor.runtime)).then(answered)
  }

  #gone(id: string): void {
    this.#checkers.look(this.#containers())
    this.#checkers.forget(id)
    this.#members.delete(id)
  }

  #told(event: ContainerEvent): void {
    this.#eventsCount += 1
    const { containerId: id, type } = event
    const more =
      event.type === 'phase'
        ? ` ${event.to}`
        : event.type === 'exited'
          ? ` ${JSON.stringify(event.exit)}`
          : ''
    this.#line(`${id} told ${type}${more}`)
    this.#checkers.told(event)
  }

  #line(text: string): void {
    const line = `${this.#clock.now()} ${text}`
    this.#linesCount += 1
    this.#hash.update(`${line}\n`)
    this.#options.onLine?.(line)
  }

  #containers(): ReadonlyMap<string, Container> {
    return new Map(this.#runtime.containers.list().map((container) => [container.id, container]))
  }

  get #runtime(): Runtime {
    if (this.#supervisor === undefined) throw new Error('no supervisor runs')
    return this.#supervisor.runtime
  }

  #anyMember(): Member | undefined {
    return this.#members.size === 0 ? undefined : this.#pick([...this.#members.values()])
  }

  #member(id: string): Member | undefined {
    return this.#members.get(id)
  }

  #pick<T>(items: readonly [T, ...T[]] | readonly T[]): T {
    const item = items[this.#random.below(items.length)]
    if (item === undefined) throw new Error('nothing to choose from')
    return item
  }
}

async function outcomeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt
    return 'done'
  } catch (error) {
    return isOciError(error) ? error.code : `defect: ${String(error)}`
  }
}
