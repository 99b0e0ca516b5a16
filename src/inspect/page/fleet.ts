/** All containers, as the hub tells them. */
import {
  protocolVersion,
  rowFlags,
  type HostFigures,
  type OverviewFrame,
  type PhaseWords,
  type RowFacts,
  type RowState,
} from '../protocol.ts'
import { connect, type LinkState } from './connection.ts'
import { Store } from './store.ts'

export interface Row {
  readonly facts: RowFacts
  phase: PhaseWords
  sinceMs: number
  flags: number
  note: string
}

/** From when on a wait is worth a look; a grace period may be long by intention. */
const remarkableMs: Readonly<Record<string, number>> = { 'stopping.grace': 30_000 }
const remarkableDefaultMs = 10_000

export class Fleet extends Store {
  readonly rows = new Map<number, Row>()
  phases: readonly PhaseWords[] = []
  host: HostFigures | undefined
  link: LinkState = 'connecting'
  epoch = ''
  /** The supervisor's clock less this page's. */
  #offsetMs = 0

  connect(): () => void {
    return connect<OverviewFrame>('/watch', {
      frame: (frame) => this.#take(frame),
      opened: () => this.rows.clear(),
      state: (state) => {
        this.link = state
        this.changed()
      },
    })
  }

  nowMs(): number {
    return Date.now() + this.#offsetMs
  }

  ageMs(row: Row): number {
    return Math.max(0, this.nowMs() - row.sinceMs)
  }

  isStuck(row: Row): boolean {
    if ((row.flags & rowFlags.stuck) !== 0) return true
    if (row.phase.waitingFor === undefined) return false
    return this.ageMs(row) > (remarkableMs[row.phase.name] ?? remarkableDefaultMs)
  }

  find(id: string): Row | undefined {
    for (const row of this.rows.values()) if (row.facts.id === id) return row
    return undefined
  }

  #take(frame: OverviewFrame): void {
    if (frame.type === 'hello') {
      this.phases = frame.phases
      this.epoch = frame.epoch
      this.#offsetMs = frame.nowMs - Date.now()
      reloadIfOutdated(frame.version)
    } else if (frame.type === 'rows') {
      for (const [facts, state] of frame.rows) this.rows.set(facts.index, { facts, ...this.#parts(state) })
    } else if (frame.type === 'delta') {
      for (const state of frame.changed) {
        const row = this.rows.get(state[0])
        if (row !== undefined) Object.assign(row, this.#parts(state))
      }
      for (const index of frame.removed) this.rows.delete(index)
    } else {
      this.host = frame
      this.#offsetMs = frame.nowMs - Date.now()
    }
    this.changed()
  }

  #parts([, phaseIndex, sinceMs, flags, note]: RowState): Omit<Row, 'facts'> {
    const phase = this.phases[phaseIndex] ?? { name: 'registered', status: undefined, waitingFor: undefined }
    return { phase, sinceMs, flags, note }
  }
}

const reloadedKey = 'reloaded'

/** The supervisor was updated while this page was open. */
export function reloadIfOutdated(version: number): void {
  if (version === protocolVersion) {
    sessionStorage.removeItem(reloadedKey)
    return
  }
  // Once: a cache in between would make it reload for ever.
  if (sessionStorage.getItem(reloadedKey) !== null) return
  sessionStorage.setItem(reloadedKey, 'yes')
  location.reload()
}
