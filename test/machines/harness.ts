/**
 * The container machine with a world that a test controls: every effect is a promise the test settles, time is
 * simulated, and everything said and done is written down in order.
 *
 * `endTrials` after each test winds every machine down and holds it to the law: one reply per request, events in order.
 */
import assert from 'node:assert/strict'
import { createActor, fromPromise, type Actor } from 'xstate'
import type { ContainerPhase, ExitStatus } from '../../src/container.ts'
import { OciError, type ErrorCode } from '../../src/errors/index.ts'
import { containerMachine, type ContainerMachine } from '../../src/machines/container.machine.ts'
import type { Adoption, ContainerContext } from '../../src/machines/context.ts'
import { defaultContainerLimits, type ContainerLimits } from '../../src/machines/delays.ts'
import type {
  CreateInput,
  CreateOutput,
  DeleteInput,
  EffectInput,
  ObserveOutput,
  SettleInput,
  SignalInput,
} from '../../src/machines/effects.ts'
import type {
  ContainerFact,
  ContainerMachineEmitted,
  LifecycleEvent,
  RequestId,
  Verb,
} from '../../src/machines/events.ts'
import { phaseOf } from '../../src/machines/phase.ts'
import { SteppedClock } from './stepped-clock.ts'

interface EffectOutputs {
  readonly create: CreateOutput
  readonly start: { readonly started: string }
  readonly pause: void
  readonly resume: void
  readonly observe: ObserveOutput
  readonly signal: void
  readonly cleanUp: void
  readonly settle: ExitStatus
  readonly record: void
  readonly delete: void
}

export type EffectName = keyof EffectOutputs

export const times = {
  created: '2026-01-01T00:00:01.000000000Z',
  started: '2026-01-01T00:00:02.000000000Z',
  finished: '2026-01-01T00:00:03.000000000Z',
  gone: '2026-01-01T00:00:04.000000000Z',
  requested: '2026-01-01T00:00:05.000000000Z',
}

const createdOutput: CreateOutput = {
  init: { pid: 42, startTicks: '100' },
  monitor: { pid: 41, startTicks: '99' },
  created: times.created,
}

type AnyInput = EffectInput & {
  readonly which?: 'stop' | 'kill' | undefined
  readonly exit?: ExitStatus
  readonly uncleaned?: boolean
}

const lawful: readonly string[] = ['created', 'started', 'exited', 'deleted']

interface Call {
  readonly effect: EffectName
  readonly input: AnyInput
  readonly signal: AbortSignal
  open: boolean
  resolve(output: unknown): void
  reject(error: unknown): void
}

export interface Reply {
  readonly verb: Verb
  /** `done`, `refused` or the code of the error. */
  readonly outcome: 'done' | 'refused' | ErrorCode
  readonly error: OciError | undefined
}

export interface TrialOptions {
  readonly limits?: Partial<ContainerLimits>
  readonly adopt?: Partial<Adoption> & Pick<Adoption, 'phase'>
}

const trials = new Map<string, Trial>()

function effect<Output, Input extends EffectInput>(name: EffectName) {
  return fromPromise<Output, Input>(({ input, signal }) => {
    const trial = trials.get(input.id)
    if (trial === undefined) throw new Error(`no trial of ${input.id}`)
    return trial.called<Output>(name, input, signal)
  })
}

/** Provided once: a machine provided per actor would be a tree of its own each time. */
const machine: ContainerMachine = containerMachine.provide({
  actors: {
    create: effect<CreateOutput, CreateInput>('create'),
    start: effect<{ readonly started: string }, EffectInput>('start'),
    pause: effect<void, EffectInput>('pause'),
    resume: effect<void, EffectInput>('resume'),
    observe: effect<ObserveOutput, EffectInput>('observe'),
    signal: effect<void, SignalInput>('signal'),
    cleanUp: effect<void, EffectInput>('cleanUp'),
    settle: effect<ExitStatus, SettleInput>('settle'),
    record: effect<void, EffectInput>('record'),
    delete: effect<void, DeleteInput>('delete'),
  },
})

export class Trial {
  readonly clock = new SteppedClock()
  readonly #actor: Actor<ContainerMachine>
  readonly #id: string
  readonly #calls: Call[] = []
  readonly #automatic = new Set<EffectName>()
  readonly #requests = new Map<RequestId, Verb>()
  readonly #replies = new Map<RequestId, Reply[]>()
  #lastRequestId = 0
  /** Effects called, signals with their kind: `create`, `signal kill`, … */
  readonly effects: string[] = []
  /** When KILL was sent. */
  readonly killsMs: number[] = []
  /** Events published, in order. */
  readonly published: LifecycleEvent[] = []
  /** Everything said in order, events by type and replies as `verb: outcome`. */
  readonly said: string[] = []
  readonly defects: unknown[] = []

  constructor({ limits, adopt }: TrialOptions = {}) {
    this.#id = `c${trials.size}`
    trials.set(this.#id, this)
    const input = {
      id: this.#id,
      limits: { ...defaultContainerLimits, ...limits },
      adopt: adopt && { ...blankAdoption, ...adopt },
    }
    this.#actor = createActor(machine, { input, clock: this.clock })
    this.#actor.on('*', (event) => {
      this.#heard(event)
    })
    this.#actor.subscribe({ error: (error) => this.defects.push(error) })
    this.#actor.start()
  }

  get phase(): ContainerPhase {
    return phaseOf(this.#actor.getSnapshot().value)
  }

  get monitor(): 'alive' | 'lost' | undefined {
    const snapshot = this.#actor.getSnapshot()
    if (!snapshot.matches('live')) return undefined
    return snapshot.matches({ live: { monitor: 'lost' } }) ? 'lost' : 'alive'
  }

  get context(): ContainerContext {
    return this.#actor.getSnapshot().context
  }

  /** Types of the published events. */
  get events(): string[] {
    return this.published.map(({ type }) => type)
  }

  // What a test does.

  create(): RequestId {
    return this.#request('create', (requestId) => {
      this.#actor.send({ type: 'container.create', requestId, cgroupParent: '/pods' })
    })
  }

  command(verb: 'start' | 'pause' | 'unpause'): RequestId {
    return this.#request(verb, (requestId) => {
      this.#actor.send({ type: `container.${verb}`, requestId })
    })
  }

  stop(timeoutMs: number): RequestId {
    return this.#request('stop', (requestId) => {
      this.#actor.send({
        type: 'container.stop',
        requestId,
        timeoutMs,
        atMs: this.clock.now(),
        requestedAt: times.requested,
      })
    })
  }

  delete(force = true): RequestId {
    return this.#request('delete', (requestId) => {
      this.#actor.send({
        type: 'container.delete',
        requestId,
        force,
        atMs: this.clock.now(),
        requestedAt: times.requested,
      })
    })
  }

  /** Sends a request that waits once more, under its own id, as the actor does for callers who join. */
  again(requestId: RequestId): void {
    const asked = { atMs: this.clock.now(), requestedAt: times.requested }
    const verb = this.#requests.get(requestId)
    if (verb === 'stop') this.#actor.send({ type: 'container.stop', requestId, timeoutMs: 1e6, ...asked })
    else if (verb === 'delete')
      this.#actor.send({ type: 'container.delete', requestId, force: true, ...asked })
    else if (verb === 'create') this.#actor.send({ type: 'container.create', requestId, cgroupParent: '' })
    else if (verb !== undefined) this.#actor.send({ type: `container.${verb}`, requestId })
  }

  fact(event: ContainerFact): void {
    this.#actor.send(event)
  }

  exited(code = 0): void {
    this.fact({ type: 'container.exited', code, finished: times.finished })
  }

  gone(): void {
    this.fact({ type: 'process.gone', at: times.gone })
  }

  observed(status: ObserveOutput['status']): void {
    this.fact({ type: 'container.observed', status, at: times.gone })
  }

  monitorLost(): void {
    this.fact({ type: 'monitor.lost', at: times.gone })
  }

  /** Lets the effect in flight succeed. Fails the test when there is none. */
  async done<Name extends EffectName>(name: Name, output?: EffectOutputs[Name]): Promise<void> {
    const call = this.#inFlight(name)
    call.resolve(output ?? defaultOutput(call))
    await flush()
  }

  /** Lets the effect in flight fail. */
  async fails(name: EffectName, code: ErrorCode = 'ERR_RUNTIME_FAILED'): Promise<void> {
    this.#inFlight(name).reject(new OciError(code, `${name} failed`))
    await flush()
  }

  /** From now on `names` succeed at once, also the ones in flight. */
  async automatic(...names: EffectName[]): Promise<void> {
    for (const name of names) this.#automatic.add(name)
    for (const call of this.#calls) if (isInFlight(call) && names.includes(call.effect)) settleAsUsual(call)
    await flush()
  }

  async pass(ms: number): Promise<void> {
    await this.clock.pass(ms, flush)
  }

  // What a test sees.

  reply(requestId: RequestId): Reply['outcome'] | 'waits' {
    return this.#replies.get(requestId)?.[0]?.outcome ?? 'waits'
  }

  error(requestId: RequestId): OciError | undefined {
    return this.#replies.get(requestId)?.[0]?.error
  }

  /** Whether the delete in flight is to kill what is left. */
  get deletesUncleaned(): boolean | undefined {
    return this.#inFlight('delete').input.uncleaned
  }

  /** How many requests were made. */
  get requests(): number {
    return this.#requests.size
  }

  inFlight(): string[] {
    return this.#calls.filter(isInFlight).map(nameOf)
  }

  // What only the harness does.

  called<Output>(name: EffectName, input: AnyInput, signal: AbortSignal): Promise<Output> {
    const { promise, resolve, reject } = Promise.withResolvers<Output>()
    const call: Call = {
      effect: name,
      input,
      signal,
      open: true,
      resolve: (output) => {
        call.open = false
        // The type of an output is known by the effect's name only.
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        resolve(output as Output)
      },
      reject: (error) => {
        call.open = false
        reject(error)
      },
    }
    this.#calls.push(call)
    this.effects.push(nameOf(call))
    if (nameOf(call) === 'signal kill') this.killsMs.push(this.clock.now())
    if (this.#automatic.has(name)) settleAsUsual(call)
    return promise
  }

  /** Brings the container to rest, whatever it takes, and checks what must hold of any life. */
  async end(): Promise<void> {
    for (let step = 0; step < 40 && this.#unanswered().length > 0; step++) await this.#rest()
    assert.deepEqual(this.defects, [], 'the machine must not die')
    assert.deepEqual(this.#unanswered(), [], 'requests without a reply')
    for (const [requestId, replies] of this.#replies)
      assert.equal(replies.length, 1, `replies to request ${requestId}`)
    const law = this.events.filter((type) => lawful.includes(type))
    assert.deepEqual(
      law,
      lawful.filter((type) => law.includes(type)),
      'each event of a life once and in order',
    )
    assert.ok(
      !law.includes('exited') || this.context.created !== undefined,
      'no exit of what was never created',
    )
    const hasEnd = law.includes('exited') || this.events.includes('failed')
    const isOver = this.phase === 'stopped' || this.phase === 'deleted'
    assert.ok(!isOver || !law.includes('created') || hasEnd, 'the end of a container is told')
    // Only what a stop promises may still be timed.
    if (this.#isOver()) assert.equal(this.clock.armed, 0, 'timers left behind by a container that is over')
    this.#actor.stop()
    assert.equal(this.clock.armed, 0, 'timers left behind by a machine that is stopped')
  }

  async #rest(): Promise<void> {
    if (this.#actor.getSnapshot().matches('live')) this.exited(0)
    for (const call of this.#calls) if (isInFlight(call)) settleAsUsual(call)
    await this.pass(60_000)
  }

  #request(verb: Verb, send: (requestId: RequestId) => void): RequestId {
    this.#lastRequestId += 1
    this.#requests.set(this.#lastRequestId, verb)
    send(this.#lastRequestId)
    return this.#lastRequestId
  }

  #heard(event: ContainerMachineEmitted): void {
    if (event.type === 'published') {
      this.published.push(event.event)
      this.said.push(event.event.type)
      return
    }
    const { requestId, verb, outcome } = event
    if (verb !== this.#requests.get(requestId)) this.defects.push(`a reply to ${requestId} names ${verb}`)
    const error = outcome.kind === 'failed' ? outcome.error : undefined
    const reply: Reply = {
      verb,
      error,
      outcome: outcome.kind === 'failed' ? outcome.error.code : outcome.kind,
    }
    this.#replies.set(requestId, [...(this.#replies.get(requestId) ?? []), reply])
    this.said.push(`${verb}: ${reply.outcome}`)
  }

  #isOver(): boolean {
    return this.phase === 'stopped' || this.phase === 'failed' || this.phase === 'deleted'
  }

  #unanswered(): string[] {
    const open = [...this.#requests].filter(([requestId]) => !this.#replies.has(requestId))
    return open.map(([requestId, verb]) => `${verb} ${requestId} in ${this.phase}`)
  }

  #inFlight(name: EffectName): Call {
    const call = this.#calls.findLast((candidate) => candidate.effect === name && isInFlight(candidate))
    if (call !== undefined) return call
    throw new Error(`no ${name} in flight in ${this.phase}, but ${this.inFlight().join(', ') || 'nothing'}`)
  }
}

/** Winds down every machine of the test. */
export async function endTrials(): Promise<void> {
  const ending = [...trials.values()]
  try {
    for (const trial of ending) await trial.end()
  } finally {
    trials.clear()
  }
}

/** Every promise that can settle has settled: the queue of microtasks is empty when this one's turn comes. */
function flush(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

const blankAdoption: Omit<Adoption, 'phase'> = {
  init: createdOutput.init,
  monitor: createdOutput.monitor,
  monitorLostAt: undefined,
  created: times.created,
  started: undefined,
  exit: undefined,
  error: undefined,
}

function isInFlight(call: Call): boolean {
  return call.open && !call.signal.aborted
}

function nameOf({ effect: name, input }: Call): string {
  return name === 'signal' ? `signal ${input.which}` : name
}

function settleAsUsual(call: Call): void {
  call.resolve(defaultOutput(call))
}

function defaultOutput({ effect: name, input }: Call): unknown {
  if (name === 'create') return createdOutput
  if (name === 'start') return { started: times.started }
  if (name === 'observe') return { status: 'running', at: times.gone }
  return name === 'settle' ? input.exit : undefined
}
