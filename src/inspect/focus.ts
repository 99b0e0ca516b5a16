/**
 * One container in full, for one client: facts, state, every transition with its cause, log, samples. It all begins with
 * the client and ends with it; how much there is at a time is bounded.
 */
import type { InspectionEvent } from 'xstate'
import { stepOf } from '../actors/start-actor.ts'
import { readBundleSpec } from '../bundle/bundle.ts'
import type { OciSpec } from '../bundle/oci-spec.ts'
import { readContainerLog, type LogRecord } from '../container-log/index.ts'
import type { Container } from '../container.ts'
import { toOciError } from '../errors/index.ts'
import type { StateValue } from '../machines/phase.ts'
import { timestampOf } from '../surroundings/clock.ts'
import type { Client } from './client.ts'
import { eventRecord, transitionRecord } from './history.ts'
import { liveState } from './live-state.ts'
import type { Observers } from './observers.ts'
import { protocolVersion, type FocusFrame, type HistoryRecord, type LogLine } from './protocol.ts'
import { describe, type Description, type Reveal } from './redaction.ts'
import { statsFigures } from './stats-figures.ts'
import type { WatchedActor, WatchedRuntime } from './watched.ts'
import { allPhaseWords } from './words.ts'

const flushEveryMs = 100
const statsEveryMs = 2000
/** Records and lines that wait for the next flush; the oldest leave first. */
const recordsMax = 500
const linesMax = 500
const lineBytesMax = 4096
const tailLines = 200

export interface FocusOptions {
  readonly reveal: Reveal
  readonly showsLogs: boolean
  readonly defaultHandler: string
  readonly statechart: string
}

export class Focus {
  readonly #runtime: WatchedRuntime
  readonly #actor: WatchedActor
  readonly #client: Client
  readonly #options: FocusOptions
  readonly #description: Description
  #records: HistoryRecord[] = []
  #lines: LogLine[] = []
  #skipped = 0
  #lastState = ''
  #noStats: string | undefined
  #place: string
  #placeSinceMs: number

  private constructor(
    runtime: WatchedRuntime,
    actor: WatchedActor,
    client: Client,
    options: FocusOptions,
    description: Description,
  ) {
    this.#runtime = runtime
    this.#actor = actor
    this.#client = client
    this.#options = options
    this.#description = description
    this.#place = placeOf(actor.snapshot.value)
    this.#placeSinceMs = runtime.clock.now()
  }

  /** Until the client leaves or the container is deleted. */
  static async watch(
    runtime: WatchedRuntime,
    observers: Observers,
    id: string,
    client: Client,
    options: FocusOptions,
  ): Promise<void> {
    const actor = runtime.registry.get(id)
    if (actor === undefined) {
      client.send(textOf({ type: 'gone' }))
      client.close()
      return
    }
    const description = describe(actor.container, await specOf(actor.container), options.reveal)
    if (client.ended.aborted) return
    await new Focus(runtime, actor, client, options, description).#run(observers)
  }

  async #run(observers: Observers): Promise<void> {
    const { ended } = this.#client
    this.#send({ type: 'facts', ...this.#facts() })
    const stopObserving = observers.add(this.#actor, (event) => this.#observed(event))
    const flush = setInterval(() => this.#contained(() => this.#flush()), flushEveryMs).unref()
    const sampling = setInterval(() => void this.#sample(), statsEveryMs).unref()
    ended.addEventListener('abort', () => {
      stopObserving()
      clearInterval(flush)
      clearInterval(sampling)
    })
    void this.#sample()
    if (this.#options.showsLogs) void this.#follow()
    await this.#listen()
  }

  /** Its past as far as the event log has it, and what happens to it. */
  async #listen(): Promise<void> {
    const { events } = this.#runtime
    const { epoch, seq } = events.cursor
    const { id } = this.#actor.container
    const all = events.events({ since: { epoch, seq: 0 }, filter: { ids: [id] }, signal: this.#client.ended })
    for await (const event of all) {
      // Transitions are seen themselves from now on, with their causes.
      const isSeen = event.type === 'phase' && event.cursor.seq > seq
      if (!isSeen) this.#record(eventRecord(event, this.#description.scrub))
      if (event.type !== 'deleted' || this.#runtime.registry.get(id) === this.#actor) continue
      this.#flush()
      this.#send({ type: 'gone' })
      this.#client.close()
    }
  }

  #observed(event: InspectionEvent): void {
    const step = stepOf(event)
    if (step === undefined) return
    const to = placeOf(step.value)
    const nowMs = this.#runtime.clock.now()
    const places = { from: this.#place, to, afterMs: nowMs - this.#placeSinceMs }
    if (to !== this.#place) {
      this.#place = to
      this.#placeSinceMs = nowMs
    }
    const at = timestampOf(this.#runtime.clock)
    this.#record(transitionRecord(step, at, places, this.#description.scrub))
  }

  #record(record: HistoryRecord): void {
    this.#records.push(record)
    if (this.#records.length > recordsMax) this.#records.shift()
  }

  async #follow(): Promise<void> {
    const { logPath } = this.#actor.container
    try {
      const entries = readContainerLog(logPath, { tail: tailLines, follow: true, signal: this.#client.ended })
      for await (const record of entries) {
        this.#lines.push(logLine(record))
        if (this.#lines.length <= linesMax) continue
        this.#lines.shift()
        this.#skipped += 1
      }
    } catch (error) {
      this.#send({ type: 'logEnd', why: toOciError(error, 'ERR_IO').message })
    }
  }

  async #sample(): Promise<void> {
    try {
      const stats = await this.#actor.side.stats()
      this.#noStats = undefined
      this.#send({ type: 'stats', ...statsFigures(stats, this.#nowMs()) })
    } catch (error) {
      // Not running, or not to be had of this runtime; the page says so in place of numbers.
      const why = toOciError(error, 'ERR_INTERNAL').code
      if (why !== this.#noStats) this.#send({ type: 'noStats', why })
      this.#noStats = why
    }
  }

  #flush(): void {
    if (this.#records.length > 0) this.#send({ type: 'history', records: this.#records.splice(0) })
    if (this.#lines.length > 0) {
      this.#send({ type: 'log', lines: this.#lines.splice(0), skipped: this.#skipped })
      this.#skipped = 0
    }
    const state = liveState(this.#actor, 0, this.#description.scrub)
    const text = JSON.stringify(state)
    if (text === this.#lastState) return
    this.#lastState = text
    this.#send({ type: 'state', ...state, nowMs: this.#nowMs() })
  }

  #facts(): Omit<Extract<FocusFrame, { type: 'facts' }>, 'type'> {
    const { container } = this.#actor
    const { labels, annotations, env, mounts, argCount, args } = this.#description
    const { id, name, sandbox, bundlePath, logPath, terminal, privileged } = container
    return {
      version: protocolVersion,
      epoch: this.#runtime.events.cursor.epoch,
      phases: allPhaseWords,
      statechart: this.#options.statechart,
      id,
      name,
      sandbox,
      bundlePath,
      logPath,
      terminal,
      privileged,
      handler: container.runtimeHandler ?? this.#options.defaultHandler,
      image: container.imageName || container.image,
      createdAt: container.createdAt.toISOString(),
      stopSignal: container.getStopSignal(),
      labels,
      annotations,
      env,
      mounts,
      argCount,
      args,
    }
  }

  #contained(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#runtime.logger.error({ err: error }, 'the inspector failed to tell what happened')
    }
  }

  #send(frame: FocusFrame): void {
    this.#client.send(textOf(frame))
  }

  #nowMs(): number {
    return Math.round(this.#runtime.clock.now())
  }
}

/** The state with all its levels: transitions within a phase are transitions, too. */
function placeOf(value: StateValue): string {
  if (typeof value === 'string') return value
  const { live } = value
  if (typeof live === 'object') return pathOf(live['life'] ?? '')
  return pathOf(value)
}

function pathOf(value: StateValue): string {
  if (typeof value === 'string') return value
  const [first] = Object.entries(value)
  return first?.[1] === undefined ? '' : `${first[0]}.${pathOf(first[1])}`
}

/** Undefined where there is none to be read: a simulated container has no bundle. */
async function specOf(container: Container): Promise<OciSpec | undefined> {
  try {
    return container.spec ?? (await readBundleSpec(container))
  } catch {
    return undefined
  }
}

function textOf(frame: FocusFrame): string {
  return JSON.stringify(frame)
}

function logLine(record: LogRecord): LogLine {
  if (record.type === undefined) {
    const { at, stream, content } = record
    return { at, stream, text: content.toString('utf8', 0, lineBytesMax) }
  }
  const { lostBytes } = record
  return { at: '', stream: 'lost', text: lostBytes === undefined ? 'lines lost' : `${lostBytes} bytes lost` }
}
