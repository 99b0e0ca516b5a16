/**
 * What travels between the hub and its page: JSON texts, in one direction only. The page says what it wants by the
 * address that it connects to, so there is nothing to be asked for, and nothing to be commanded, in a message.
 *
 * Types and constants only: the page's bundle has this file too.
 */
import type { ContainerPhase, ContainerStatus } from '../container.ts'

/** The page reloads itself when the supervisor that it meets again speaks another version. */
export const protocolVersion = 1

/** Paths below the inspector's address. */
export const paths = {
  watch: '/watch',
  stately: '/stately',
  statecharts: '/statecharts/',
  metrics: '/metrics',
}

/** Bits of a row. */
export const rowFlags = { oomKilled: 1, monitorLost: 2, notDurable: 4, failed: 8, stuck: 16 } as const

/** What does not change while a container is registered. */
export interface RowFacts {
  readonly index: number
  readonly id: string
  readonly name: string
  readonly handler: string
  readonly sandbox: string
  readonly image: string
  /** Those that the embedder lists. */
  readonly labels: Readonly<Record<string, string>>
}

/** Index of the row, index of the phase, when it was entered (on the clock of `nowMs`), flags, what is to be said about it. */
export type RowState = readonly [index: number, phase: number, sinceMs: number, flags: number, note: string]

export interface PhaseWords {
  readonly name: ContainerPhase
  readonly status: ContainerStatus | undefined
  /** What every container in this phase waits for; undefined at rest. */
  readonly waitingFor: string | undefined
}

export type OverviewFrame =
  | {
      readonly type: 'hello'
      readonly version: number
      /** Another one after a restart of the supervisor. */
      readonly epoch: string
      readonly phases: readonly PhaseWords[]
      /** On the supervisor's monotonic clock, so that nobody's age jumps when somebody sets the wall clock. */
      readonly nowMs: number
    }
  /** Containers that are new to this client. */
  | { readonly type: 'rows'; readonly rows: readonly (readonly [RowFacts, RowState])[] }
  /** What changed in a tenth of a second. */
  | { readonly type: 'delta'; readonly changed: readonly RowState[]; readonly removed: readonly number[] }
  | ({ readonly type: 'host' } & HostFigures)

export interface HostFigures {
  readonly nowMs: number
  readonly containers: number
  readonly eventsPerSecond: number
  /** Of the supervisor's process: percent of one CPU. */
  readonly cpuPercent: number
  readonly rssBytes: number
  /** The longest that the event loop was held up in the last second. */
  readonly loopLagMs: number
  readonly watchers: number
  /** Events that subscribers of the embedder lost. */
  readonly dropped: number
}

export type FocusFrame =
  | ({ readonly type: 'facts' } & ContainerFacts)
  | ({ readonly type: 'state' } & LiveState)
  | { readonly type: 'history'; readonly records: readonly HistoryRecord[] }
  | { readonly type: 'log'; readonly lines: readonly LogLine[]; readonly skipped: number }
  | { readonly type: 'logEnd'; readonly why: string }
  | ({ readonly type: 'stats' } & StatsFigures)
  | { readonly type: 'noStats'; readonly why: string }
  /** Deleted, or never there; the stream ends. */
  | { readonly type: 'gone' }

/** A value that may be withheld: then it is null. */
export type Redacted = readonly [name: string, value: string | null]

export interface ContainerFacts {
  readonly version: number
  readonly epoch: string
  readonly phases: readonly PhaseWords[]
  readonly statechart: string
  readonly id: string
  readonly name: string
  readonly handler: string
  readonly image: string
  readonly sandbox: string
  readonly createdAt: string
  readonly bundlePath: string
  readonly logPath: string
  readonly terminal: boolean
  readonly privileged: boolean
  readonly stopSignal: string
  readonly labels: readonly Redacted[]
  readonly annotations: readonly Redacted[]
  /** Undefined where the bundle cannot be read. */
  readonly env: readonly Redacted[] | undefined
  readonly mounts: readonly Redacted[] | undefined
  readonly argCount: number | undefined
  readonly args: readonly string[] | undefined
}

export interface LiveState {
  readonly nowMs: number
  readonly phase: ContainerPhase
  readonly status: ContainerStatus | undefined
  readonly sinceMs: number
  readonly waitingFor: string | undefined
  /** Ids of the active states of the machine, outermost first. */
  readonly active: readonly string[]
  readonly pid: number
  readonly created: string | undefined
  readonly started: string | undefined
  readonly finished: string | undefined
  readonly exit: ExitWords | undefined
  readonly error: { readonly code: string; readonly message: string } | undefined
  readonly durable: boolean
  readonly monitorLostAt: string | undefined
  readonly stop: { readonly requestedAt: string; readonly timeoutMs: number | null } | undefined
  readonly attempts: number
  /** Commands that were accepted and are under way, in the order of their arrival. */
  readonly underWay: readonly string[]
  /** Commands that run in the container beside its own. */
  readonly execs: number
  /** Commands that wait until the state permits them. */
  readonly queued: readonly string[]
}

export interface ExitWords {
  readonly code: number | undefined
  /** `KILL`, inferred from a code above 128. */
  readonly signal: string | undefined
  /** Why the code is not known. */
  readonly unknown: string | undefined
  readonly oomKilled: boolean
}

export interface HistoryRecord {
  readonly at: string
  /** A transition with its cause, a change of phase from before somebody looked, or an event in the container's life. */
  readonly kind: 'transition' | 'phase' | 'event' | 'gap'
  /** What it is: the cause of a transition, the name of an event. */
  readonly what: string
  readonly detail: string | undefined
  readonly from: string | undefined
  readonly to: string | undefined
  /** How long the state before lasted. */
  readonly afterMs: number | undefined
  /** Keys of the transitions taken, as the statechart names them. */
  readonly edges: readonly string[]
}

export interface LogLine {
  /** Empty where lines were lost. */
  readonly at: string
  readonly stream: 'stdout' | 'stderr' | 'lost'
  readonly text: string
}

export interface StatsFigures {
  readonly nowMs: number
  readonly cpuPercent: number
  readonly memoryBytes: number | undefined
  readonly memoryLimitBytes: number
  readonly pids: number | undefined
  readonly netInputBytes: number | undefined
  readonly netOutputBytes: number | undefined
  readonly blockInputBytes: number | undefined
  readonly blockOutputBytes: number | undefined
  readonly oomKills: number | undefined
  readonly throttledPeriods: number | undefined
}

/** A statechart as the page fetches it, once per hash. */
export interface StatechartFile {
  readonly hash: string
  readonly svg: string
  /** The arrow (`data-edge`) of every transition by its key. */
  readonly edges: Readonly<Record<string, string>>
}
