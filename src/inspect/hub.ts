/**
 * The overview: all containers for whoever watches. While nobody does, nothing is subscribed and no timer runs.
 *
 * Changes are collected and sent ten times a second, as what is true then: a container that changed a hundred times
 * costs as much as one that changed once. They are written out once for all clients.
 */
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import type { Client } from './client.ts'
import type { HostFigures, OverviewFrame, RowFacts, RowState } from './protocol.ts'
import { protocolVersion } from './protocol.ts'
import type { Reveal } from './redaction.ts'
import { rowFacts, rowState } from './rows.ts'
import type { WatchedActor, WatchedRuntime } from './watched.ts'
import { allPhaseWords } from './words.ts'

const flushEveryMs = 100
const figuresEveryMs = 1000
/** Rows of one frame at the beginning; the event loop gets its turn between them. */
const rowsPerFrameMax = 500
/** Containers whose process is looked at in a second because it does not die. */
const killingLookedAtMax = 64

export interface HubOptions {
  readonly reveal: Reveal
  readonly defaultHandler: string
}

interface Row {
  readonly facts: RowFacts
  readonly actor: WatchedActor
}

export class Hub {
  readonly #runtime: WatchedRuntime
  readonly #options: HubOptions
  readonly #clients = new Set<Client>()
  readonly #rows = new Map<string, Row>()
  readonly #dirty = new Set<string>()
  #lastIndex = -1
  #stop: (() => void) | undefined
  #events = 0

  constructor(runtime: WatchedRuntime, options: HubOptions) {
    this.#runtime = runtime
    this.#options = options
  }

  /** Sends everything there is, then every change, until the client leaves. */
  async watch(client: Client): Promise<void> {
    this.#clients.add(client)
    client.ended.addEventListener('abort', () => {
      this.#clients.delete(client)
      if (this.#clients.size === 0) this.#detach()
    })
    if (this.#stop === undefined) this.#attach()
    const { epoch } = this.#runtime.events.cursor
    const hello = { version: protocolVersion, epoch, phases: allPhaseWords, nowMs: this.#nowMs() }
    client.send(textOf({ type: 'hello', ...hello }))
    await this.#sendAll(client)
  }

  /** True while anything is attached. */
  get isAttached(): boolean {
    return this.#stop !== undefined
  }

  close(): void {
    for (const client of this.#clients) client.close(1001, 'the inspector is closing')
    this.#detach()
  }

  #attach(): void {
    for (const actor of this.#runtime.registry.actors) this.#add(actor)
    const subscription = this.#runtime.events.events$.subscribe(({ containerId }) => {
      this.#events += 1
      this.#dirty.add(containerId)
    })
    const lag = monitorEventLoopDelay({ resolution: 10 })
    lag.enable()
    const flush = this.#every(flushEveryMs, () => this.#flush())
    const figures = this.#every(figuresEveryMs, this.#figures(lag))
    this.#stop = () => {
      subscription.unsubscribe()
      lag.disable()
      clearInterval(flush)
      clearInterval(figures)
    }
  }

  /** What a timer throws would end the embedder's process. */
  #every(periodMs: number, act: () => void): NodeJS.Timeout {
    const { logger } = this.#runtime
    return setInterval(() => {
      try {
        act()
      } catch (error) {
        logger.error({ err: error }, 'the inspector failed to tell what changed')
      }
    }, periodMs).unref()
  }

  #detach(): void {
    this.#stop?.()
    this.#stop = undefined
    this.#rows.clear()
    this.#dirty.clear()
  }

  #add(actor: WatchedActor): Row {
    this.#lastIndex += 1
    const { reveal, defaultHandler } = this.#options
    const row = { facts: rowFacts(this.#lastIndex, actor.container, defaultHandler, reveal), actor }
    this.#rows.set(actor.container.id, row)
    return row
  }

  async #sendAll(client: Client): Promise<void> {
    // Those that come and go meanwhile are in the changes, which this client gets, too.
    const rows = [...this.#rows.values()]
    const isThere = (row: Row): boolean => this.#rows.get(row.facts.id) === row
    for (let at = 0; at < rows.length && !client.ended.aborted; at += rowsPerFrameMax) {
      const nowMs = this.#nowMs()
      const part = rows.slice(at, at + rowsPerFrameMax).filter(isThere)
      const frame = part.map(({ facts, actor }) => [facts, rowState(facts.index, actor, nowMs)] as const)
      await client.sendAndWait(textOf({ type: 'rows', rows: frame }))
    }
  }

  #flush(): void {
    if (this.#dirty.size === 0) return
    const nowMs = this.#nowMs()
    const added: [RowFacts, RowState][] = []
    const changed: RowState[] = []
    const removed: number[] = []
    for (const id of this.#dirty) {
      const actor = this.#runtime.registry.get(id)
      const known = this.#rows.get(id)
      if (known !== undefined && known.actor !== actor) {
        removed.push(known.facts.index)
        this.#rows.delete(id)
      }
      if (actor === undefined) continue
      const row = known?.actor === actor ? known : this.#add(actor)
      const state = rowState(row.facts.index, actor, nowMs)
      if (row === known) changed.push(state)
      else added.push([row.facts, state])
    }
    this.#dirty.clear()
    if (added.length > 0) this.#broadcast({ type: 'rows', rows: added })
    if (changed.length + removed.length > 0) this.#broadcast({ type: 'delta', changed, removed })
  }

  #broadcast(frame: OverviewFrame): void {
    const text = textOf(frame)
    for (const client of this.#clients) client.send(text)
  }

  #figures(lag: IntervalHistogram): () => void {
    let cpu = process.cpuUsage()
    let atMs = performance.now()
    this.#events = 0
    return () => {
      this.#lookAtKilling()
      const spent = process.cpuUsage(cpu)
      const elapsedMs = performance.now() - atMs
      cpu = process.cpuUsage()
      atMs = performance.now()
      const figures: HostFigures = {
        nowMs: this.#nowMs(),
        containers: this.#rows.size,
        eventsPerSecond: Math.round((this.#events * 1000) / elapsedMs),
        cpuPercent: Math.round((spent.user + spent.system) / elapsedMs / 10),
        rssBytes: process.memoryUsage.rss(),
        loopLagMs: Math.max(0, Math.round(lag.max / 1e6 - 10)),
        watchers: this.#clients.size,
        dropped: this.#runtime.events.dropped,
      }
      lag.reset()
      this.#events = 0
      this.#broadcast({ type: 'host', ...figures })
    }
  }

  /** What a process does instead of dying changes without an event. */
  #lookAtKilling(): void {
    let looked = 0
    for (const [id, { actor }] of this.#rows) {
      if (actor.container.phase !== 'stopping.killing') continue
      this.#dirty.add(id)
      looked += 1
      if (looked === killingLookedAtMax) return
    }
  }

  #nowMs(): number {
    return Math.round(this.#runtime.clock.now())
  }
}

function textOf(frame: OverviewFrame): string {
  return JSON.stringify(frame)
}
