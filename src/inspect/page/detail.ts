/** One container, as the hub tells it. */
import type {
  ContainerFacts,
  FocusFrame,
  HistoryRecord,
  LiveState,
  LogLine,
  StatechartFile,
  StatsFigures,
} from '../protocol.ts'
import { addressOf, connect, type LinkState } from './connection.ts'
import { reloadIfOutdated } from './fleet.ts'
import { Store } from './store.ts'

/** Kept in the page; the oldest leave first. */
const recordsMax = 1000
const linesMax = 1000
const samplesMax = 60

const statecharts = new Map<string, Promise<StatechartFile>>()

export class Detail extends Store {
  readonly id: string
  link: LinkState = 'connecting'
  facts: ContainerFacts | undefined
  state: LiveState | undefined
  records: HistoryRecord[] = []
  lines: LogLine[] = []
  skipped = 0
  logEnd: string | undefined
  samples: StatsFigures[] = []
  noStats: string | undefined
  isGone = false
  statechart: StatechartFile | undefined
  #offsetMs = 0
  /** Of an earlier connection, whose causes the event log does not have. */
  #before: readonly HistoryRecord[] = []

  constructor(id: string) {
    super()
    this.id = id
  }

  connect(): () => void {
    return connect<FocusFrame>(`/watch?id=${encodeURIComponent(this.id)}`, {
      frame: (frame) => {
        this.#take(frame)
        this.changed()
      },
      opened: () => this.#begin(),
      state: (state) => {
        this.link = state
        this.changed()
      },
    })
  }

  nowMs(): number {
    return Date.now() + this.#offsetMs
  }

  #begin(): void {
    this.#before = this.records
    this.records = []
    this.lines = []
    this.skipped = 0
    this.logEnd = undefined
    this.samples = []
    this.isGone = false
  }

  #take(frame: FocusFrame): void {
    if (frame.type === 'facts') this.#meet(frame)
    else if (frame.type === 'state') {
      this.state = frame
      this.#offsetMs = frame.nowMs - Date.now()
    } else if (frame.type === 'history') {
      this.records = [...this.records, ...frame.records].slice(-recordsMax)
    } else if (frame.type === 'log') {
      this.lines = [...this.lines, ...frame.lines].slice(-linesMax)
      this.skipped += frame.skipped
    } else if (frame.type === 'logEnd') this.logEnd = frame.why
    else if (frame.type === 'stats') {
      this.samples = [...this.samples, frame].slice(-samplesMax)
      this.noStats = undefined
    } else if (frame.type === 'noStats') this.noStats = frame.why
    else this.isGone = true
  }

  #meet(facts: ContainerFacts): void {
    reloadIfOutdated(facts.version)
    const isSame = this.facts?.epoch === facts.epoch && this.facts.createdAt === facts.createdAt
    this.facts = facts
    // What was seen before the connection broke, up to where the new one begins; of this container only.
    if (isSame) this.records = [...this.#before]
    this.#before = []
    void this.#draw(facts.statechart)
  }

  async #draw(hash: string): Promise<void> {
    if (this.statechart?.hash === hash) return
    const known = statecharts.get(hash) ?? fetchStatechart(hash)
    statecharts.set(hash, known)
    try {
      this.statechart = await known
      this.changed()
    } catch {
      // The connection is broken; the next one asks again.
      statecharts.delete(hash)
    }
  }
}

async function fetchStatechart(hash: string): Promise<StatechartFile> {
  const response = await fetch(addressOf(`/statecharts/${hash}`))
  if (!response.ok) throw new Error(`statechart: ${response.status}`)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from our own hub
  return (await response.json()) as StatechartFile
}
