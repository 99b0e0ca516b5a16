/**
 * Transient scopes: systemd puts processes that exist already into a unit with a cgroup of its own, so that they are no
 * longer part of the service that started them.
 *
 * One connection serves all who ask at the same time and is closed soon after the last: an idle runtime holds none, and
 * a bus that was restarted is met anew. Deliberately not here: who is put where (impl/host/monitor-scope.ts).
 */
import { setTimeout as delay } from 'node:timers/promises'
import { OciError } from '../../errors/index.ts'
import { within } from '../launcher/deadlines.ts'
import { type Answer, type Bus, busObject, type Call, connectBus, systemBusAddress } from './bus.ts'
import type { Message, Value } from './wire.ts'

export interface Scope {
  /** Of the unit: `….scope`. */
  readonly name: string
  readonly slice: string
  readonly description: string
  readonly pids: readonly number[]
  /** What systemd sends to its processes when the scope is stopped: by itself at shutdown. */
  readonly killSignal: number
}

export interface Scopes {
  /** Resolves when systemd can be spoken with. ERR_IO, ERR_TIMEOUT. */
  reach(): Promise<void>
  /** Resolves once the processes are in it. `exists` when there is one of that name that did not go away. */
  start(scope: Scope): Promise<ScopeStart>
  /** Resolves when systemd has forgotten the unit. It must be empty. ERR_TIMEOUT, ERR_IO. */
  seeEnd(name: string): Promise<void>
  close(): void
}

export type ScopeStart =
  | { readonly kind: 'started' }
  | { readonly kind: 'exists' }
  /** In systemd's words. */
  | { readonly kind: 'refused'; readonly words: string }

export interface ScopesOptions {
  /** Default: the system bus, where it always is. */
  readonly address?: string | undefined
  /** Of every answer, connecting included, and of systemd's noticing that a scope is empty. */
  readonly timeoutMs?: number
}

const manager = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const
const jobRemoved = `type='signal',sender='${manager.destination}',path='${manager.path}',interface='${manager.interface}',member='JobRemoved'`

/** The init process answers nobody while it reloads its units, which takes it seconds on a host that is large or busy. */
const defaultTimeoutMs = 30_000
/** Between the calls of one create, and of a crowd of them. */
const lingerMs = 1000
const pollMs = 20
/** Results of jobs whose start was not answered yet. */
const resultsMax = 1000

export function openScopes(options: ScopesOptions = {}): Scopes {
  return new SystemdScopes(options)
}

class SystemdScopes implements Scopes {
  readonly #address: string
  readonly #timeoutMs: number
  #bus: Promise<Bus> | undefined
  #usersCount = 0
  #lingering: NodeJS.Timeout | undefined
  /** By the path of the job. */
  readonly #jobs = new Map<string, (result: string) => void>()
  /** A job may be over before we are told that it has begun. */
  readonly #results = new Map<string, string>()

  constructor({ address = systemBusAddress, timeoutMs = defaultTimeoutMs }: ScopesOptions) {
    this.#address = address
    this.#timeoutMs = timeoutMs
  }

  reach(): Promise<void> {
    return this.#use(() => Promise.resolve())
  }

  start(scope: Scope): Promise<ScopeStart> {
    return this.#use(async (bus) => {
      let answer = await bus.call(startCall(scope))
      // One of that name has just ended, and systemd has not forgotten it yet.
      if (isTaken(answer) && (await this.#isForgotten(bus, scope.name)))
        answer = await bus.call(startCall(scope))
      if (isTaken(answer)) return { kind: 'exists' }
      if (answer.refused !== undefined) return { kind: 'refused', words: answer.words || answer.refused }
      const [job] = answer.body
      const result = typeof job === 'string' ? await this.#resultOf(job) : 'no job'
      if (result === 'done') return { kind: 'started' }
      if (result === undefined) throw this.#slow(`has not made ${scope.name}`)
      return { kind: 'refused', words: `its job ended with the result ${result}` }
    })
  }

  seeEnd(name: string): Promise<void> {
    return this.#use(async (bus) => {
      if (!(await this.#isForgotten(bus, name))) throw this.#slow(`still has ${name}, which is empty`)
    })
  }

  close(): void {
    clearTimeout(this.#lingering)
    this.#bus?.then(
      (bus) => bus.close(),
      () => undefined,
    )
    this.#bus = undefined
  }

  #slow(what: string): OciError {
    return new OciError('ERR_TIMEOUT', `systemd ${what} in time`)
  }

  async #use<T>(work: (bus: Bus) => Promise<T>): Promise<T> {
    this.#usersCount += 1
    clearTimeout(this.#lingering)
    try {
      const bus = await this.#connected()
      bus.hold(true)
      return await work(bus)
    } finally {
      this.#usersCount -= 1
      if (this.#usersCount === 0) this.#leave()
    }
  }

  async #connected(): Promise<Bus> {
    const known = this.#bus
    if (known !== undefined && (await known).isOpen) return known
    // Somebody else has found it closed, too, and was first.
    if (this.#bus !== undefined && this.#bus !== known) return this.#bus
    const connecting = this.#connect()
    this.#bus = connecting
    try {
      return await connecting
    } catch (error) {
      // A failed connection is not remembered: the bus may be there the next time.
      if (this.#bus === connecting) this.#bus = undefined
      throw error
    }
  }

  async #connect(): Promise<Bus> {
    const bus = await connectBus({
      address: this.#address,
      timeoutMs: this.#timeoutMs,
      onSignal: (message) => this.#onSignal(message),
    })
    // systemd tells of its jobs only while somebody has asked for it.
    const match: Call = { ...busObject, member: 'AddMatch', signature: 's', body: [jobRemoved] }
    for (const call of [match, { ...manager, member: 'Subscribe' }]) {
      const answer = await bus.call(call)
      if (answer.refused === undefined) continue
      bus.close()
      const why = answer.words || answer.refused
      throw new OciError('ERR_IO', `systemd does not answer on the system bus (${call.member}: ${why})`)
    }
    return bus
  }

  #leave(): void {
    this.#bus?.then(
      (bus) => bus.hold(false),
      () => undefined,
    )
    this.#results.clear()
    this.#lingering = setTimeout(() => this.close(), lingerMs).unref()
  }

  #onSignal({ member, body = [] }: Message): void {
    const [, job, , result] = body
    if (member !== 'JobRemoved' || typeof job !== 'string' || typeof result !== 'string') return
    const waiter = this.#jobs.get(job)
    if (waiter !== undefined) waiter(result)
    else if (this.#results.size < resultsMax) this.#results.set(job, result)
  }

  async #resultOf(job: string): Promise<string | undefined> {
    const result = this.#results.get(job)
    if (result !== undefined) return result
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#jobs.set(job, resolve)
    try {
      return await within(promise, this.#timeoutMs)
    } finally {
      this.#jobs.delete(job)
    }
  }

  /** Waits until there is no such unit. A failed one stays until it is reset; a living one is left alone. */
  async #isForgotten(bus: Bus, name: string): Promise<boolean> {
    const endMs = performance.now() + this.#timeoutMs
    for (;;) {
      const unit = await bus.call({ ...manager, member: 'GetUnit', signature: 's', body: [name] })
      if (unit.refused === 'org.freedesktop.systemd1.NoSuchUnit') return true
      if (performance.now() > endMs) return false
      // Refused where it has not failed, which says nothing.
      await bus.call({ ...manager, member: 'ResetFailedUnit', signature: 's', body: [name] })
      await delay(pollMs)
    }
  }
}

function startCall(scope: Scope): Call {
  const properties: readonly (readonly [string, string, Value])[] = [
    ['Description', 's', scope.description],
    ['Slice', 's', scope.slice],
    ['PIDs', 'au', scope.pids],
    // Its cgroup is ours to put monitors of commands into.
    ['Delegate', 'b', true],
    // With them it would be stopped before the services that it serves, by an order that is not ours to make.
    ['DefaultDependencies', 'b', false],
    ['KillSignal', 'i', scope.killSignal],
    // A monitor that was killed leaves no failed unit behind.
    ['CollectMode', 's', 'inactive-or-failed'],
  ]
  const variants = properties.map(([name, signature, value]) => [name, { signature, value }])
  const body = [scope.name, 'fail', variants, []]
  return { ...manager, member: 'StartTransientUnit', signature: 'ssa(sv)a(sa(sv))', body }
}

function isTaken({ refused }: Answer): boolean {
  return refused === 'org.freedesktop.systemd1.UnitExists'
}
