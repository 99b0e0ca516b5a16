/**
 * Notices that processes are gone which are not our children: monitors, and init processes nobody else watches.
 * One timer for all of them, and none while there is nothing to watch.
 *
 * Each pass asks the kernel of every pid, which costs half a microsecond and finds what has been reaped, and reads
 * /proc of some, which finds zombies and recycled pids at a hundred times the price. So a dead process that its parent
 * reaps is noticed within one interval however many are watched; one that is never reaped within one interval per
 * {@link readsPerPassMax} processes. Deliberately not here: what a lost monitor means.
 */
import { systemClock, type Clock } from '../surroundings/clock.ts'
import { observeProcess, pidExists } from '../impl/process-identity.ts'
import type { ProcessIdentity } from '../impl/runtime-impl.ts'
import { silentLogger, type Logger } from '../surroundings/logger.ts'
import { createLanes } from './lanes.ts'

export interface MonitorProbeOptions {
  /** From the end of one pass to the beginning of the next. Default 500: a dead monitor is noticed within a second. */
  readonly intervalMs?: number
  readonly clock?: Clock
  readonly logger?: Logger
  /** How a process is looked at. Default: the host's /proc. A rejection says nothing: the process stays watched. */
  readonly observe?: (identity: ProcessIdentity) => Promise<'alive' | 'gone'>
  /** The cheap question beforehand: false only when there is surely no such pid. Default: the host's kernel. */
  readonly exists?: (pid: number) => boolean
}

export interface MonitorProbe {
  /** How many processes are watched. */
  readonly size: number
  /** Calls `onGone` once, when the process is gone, never before this returns. The function it returns ends the watch. */
  watch(identity: ProcessIdentity, onGone: () => void): () => void
  /** Ends all watches without a call. */
  close(): void
}

interface Watched {
  readonly identity: ProcessIdentity
  readonly onGone: () => void
}

/** About 40 µs of CPU each: 200 twice a second are below 2 % of one core. */
export const readsPerPassMax = 200
const readsAtOnceMax = 8
/** System calls per turn of the event loop: about half a millisecond. */
const asksPerTurnMax = 1000

export function createMonitorProbe(options: MonitorProbeOptions = {}): MonitorProbe {
  const { intervalMs = 500, clock = systemClock, logger: log = silentLogger } = options
  const { observe = observeProcess, exists = pidExists } = options
  const reads = createLanes(readsAtOnceMax)
  // In order of the last read: whoever has been read goes to the end.
  const watched = new Set<Watched>()
  let timer: unknown
  let passing = false
  let closed = false
  let complained = false

  const arrange = (): void => {
    const needed = watched.size > 0 && !passing && !closed
    if (needed === (timer !== undefined)) return
    if (needed) {
      timer = clock.setTimeout(() => {
        timer = undefined
        void pass()
      }, intervalMs)
    } else {
      clock.clearTimeout(timer)
      timer = undefined
    }
  }

  const complain = (identity: ProcessIdentity, error: unknown): void => {
    if (!complained)
      log.error({ pid: identity.pid, err: error }, 'a process cannot be observed; trying again')
    complained = true
  }

  const reportGone = (entry: Watched): void => {
    // `delete` answers false when the watch ended while we looked.
    if (!watched.delete(entry)) return
    try {
      entry.onGone()
    } catch (error) {
      log.error({ pid: entry.identity.pid, err: error }, 'a listener threw on hearing that a process is gone')
    }
  }

  const ask = (entry: Watched): void => {
    try {
      if (!exists(entry.identity.pid)) reportGone(entry)
    } catch (error) {
      complain(entry.identity, error)
    }
  }

  const read = async (entry: Watched): Promise<void> => {
    try {
      if (!watched.has(entry)) return
      const state = await observe(entry.identity)
      complained = false
      if (state === 'gone') reportGone(entry)
    } catch (error) {
      complain(entry.identity, error)
    }
  }

  const pass = async (): Promise<void> => {
    passing = true
    for (const entries of chunks([...watched], asksPerTurnMax)) {
      for (const entry of entries) ask(entry)
      await turn()
    }
    const turns = firstOf(watched, readsPerPassMax)
    for (const entry of turns) {
      watched.delete(entry)
      watched.add(entry)
    }
    await Promise.all(turns.map((entry) => reads.run(() => read(entry))))
    passing = false
    arrange()
  }

  return {
    get size() {
      return watched.size
    },
    watch: (identity, onGone) => {
      const entry = { identity, onGone }
      if (!closed) watched.add(entry)
      arrange()
      return () => {
        watched.delete(entry)
        arrange()
      }
    },
    close: () => {
      closed = true
      watched.clear()
      arrange()
    },
  }
}

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  )
}

function firstOf<T>(all: Iterable<T>, count: number): T[] {
  const first: T[] = []
  for (const item of all) {
    if (first.length === count) break
    first.push(item)
  }
  return first
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
