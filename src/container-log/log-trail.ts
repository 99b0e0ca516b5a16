/**
 * The files that follow each other under one name: a log that is renamed and made anew, or replaced when it is full.
 *
 * A new file is opened as soon as it is seen, also while nobody reads, so that a slow reader does not miss one that is
 * gone again by the time it gets there. The watch is a hint that makes it quick; looking every so often is what counts.
 * Neither keeps the process alive.
 *
 * A file that came and went between two looks leaves no trace but one: the watch has counted how often the name changed
 * hands. So it is known of two files whether another was between them; where nobody counted, it is not.
 */
import { watch, type FSWatcher } from 'node:fs'
import { basename, dirname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { examineLog, hasName, isSameFile, openLogFile, type LogFile } from './log-file.ts'

const pollMs = 500
/** After a rename the new file is about to come. */
const soonMs = 20
/** Each holds a descriptor and, when it has been deleted, its disk space. */
const filesMax = 16
/** Of other files in the directory, before it is left alone: the logs of all containers may be there. */
const strangersMin = 1000
const strangersShareMax = 10

interface TrailFile extends LogFile {
  /** How often the name had changed hands when this file had it, at least and at most; undefined when nobody counted. */
  changes: { readonly leastCount: number; readonly mostCount: number } | undefined
  /** When the next file was found: it was renamed, as opposed to replaced or deleted. */
  isRenamed: boolean
}

export class LogTrail {
  readonly #path: string
  /** From the one that is being read to the newest. */
  readonly #files: TrailFile[] = []
  #watch: FSWatcher | undefined
  /** How often the name has changed hands, as far as the watch has told; undefined when it does not count. */
  #changeCount: number | undefined
  #ownEvents = 0
  #strangerEvents = 0
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
  #isLookDue = false
  #changed = false
  #wake: () => void = () => undefined
  #closing: Promise<void> | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** The file to be read; undefined while there is none. */
  get current(): LogFile | undefined {
    return this.#files[0]
  }

  /** True when a newer file than `current` has been seen, so that nothing more is written to that. */
  get hasNext(): boolean {
    return this.#files.length > 1
  }

  /**
   * Whether the next file took the name from the current one, so that there was none between them. A file that was
   * replaced is gone with all that is in it, so this has to be certain; of one that was renamed, two changes are usual, and
   * only more of them mean another file.
   */
  get isNextAdjacent(): boolean {
    const [current, next] = this.#files
    if (current === undefined || next === undefined) return true
    const { changes: before, isRenamed } = current
    const { changes: after } = next
    if (isRenamed) {
      return before === undefined || after === undefined || after.leastCount - before.mostCount <= 2
    }
    return before !== undefined && after !== undefined && after.mostCount - before.leastCount <= 1
  }

  /** Goes on to the next file. */
  async next(): Promise<void> {
    await this.#files.shift()?.handle.close()
  }

  get #isClosed(): boolean {
    return this.#closing !== undefined
  }

  /** Looks now what the name stands for. Throws what {@link openLogFile} throws. */
  look(): Promise<void> {
    const look = this.#looking.then(() => this.#look())
    this.#looking = look.catch(() => undefined)
    return look
  }

  /** From now on new files are opened by themselves, and `change` is told what happens. */
  follow(): void {
    this.#watchDirectory()
    this.#lookSoon()
  }

  /** Resolves when something may have changed since it resolved last. */
  async change(): Promise<void> {
    if (!this.#changed && !this.#isClosed) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#changed = false
  }

  wake(): void {
    this.#changed = true
    this.#wake()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#watch?.close()
    this.wake()
    await this.#looking
    await Promise.all(this.#files.splice(0).map(({ handle }) => handle.close()))
  }

  /** Until the newest file is known, and what the watch had counted when it came. */
  async #look(): Promise<void> {
    while (!this.#isClosed && this.#files.length < filesMax) {
      const newest = this.#files.at(-1)
      const leastCount = this.#changeCount
      const found = await examineLog(this.#path)
      if (found === undefined) return
      const isKnown = newest !== undefined && isSameFile(found, newest)
      const file = isKnown ? newest : await this.#open(newest)
      if (file === undefined) continue
      if (isKnown) narrow(file, leastCount, Infinity)
      if (isKnown && (leastCount === undefined || isCounted(file))) return
      // All that happened before has been told by the end of a whole turn.
      await nextTurn()
      await nextTurn()
      narrow(file, leastCount, this.#changeCount)
    }
  }

  async #open(newest: TrailFile | undefined): Promise<TrailFile | undefined> {
    const opened = await openLogFile(this.#path)
    if (opened === undefined) return undefined
    const file: TrailFile = { ...opened, changes: undefined, isRenamed: false }
    if (newest !== undefined) newest.isRenamed = await hasName(newest, this.#path)
    this.#files.push(file)
    if (this.#changeCount === undefined && this.#timer !== undefined) this.#watchNewest()
    return file
  }

  #lookSoon(): void {
    this.#schedule(soonMs)
    if (this.#isLookDue) return
    this.#isLookDue = true
    void this.#lookAndWake()
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    this.#timer = setTimeout(() => {
      this.#schedule(Math.min(2 * delayMs, pollMs))
      void this.#lookAndWake()
    }, delayMs).unref()
  }

  async #lookAndWake(): Promise<void> {
    // Whoever reads looks for itself and is told what is wrong.
    await this.look().catch(() => undefined)
    this.#isLookDue = false
    this.wake()
  }

  /** All that happens to the name is told, in order and one by one. */
  #watchDirectory(): void {
    const name = basename(this.#path)
    this.#watch = this.#watchPath(dirname(this.#path), (event, changed) => {
      if (changed === name) {
        this.#ownEvents += 1
        if (event !== 'rename') return this.wake()
        this.#changeCount = (this.#changeCount ?? 0) + 1
        return this.#lookSoon()
      }
      this.#strangerEvents += 1
      if (this.#strangerEvents < strangersMin) return undefined
      return this.#strangerEvents > strangersShareMax * this.#ownEvents ? this.#watchNewest() : undefined
    })
    if (this.#watch === undefined) this.#watchNewest()
    else this.#changeCount = 0
  }

  /** The file instead of its directory: where its name goes is not told, so that nobody counts any more. */
  #watchNewest(): void {
    this.#changeCount = undefined
    this.#watch?.close()
    this.#watch = this.#watchPath(this.#path, (event) => {
      if (event === 'rename') this.#lookSoon()
      else this.wake()
    })
  }

  /** Undefined when it is gone again, or when this host has no watches left: looking goes on without. */
  #watchPath(path: string, tell: (event: string, name: string | null) => void): FSWatcher | undefined {
    if (this.#isClosed) return undefined
    try {
      const watcher = watch(path, { persistent: false }, tell)
      return watcher.on('error', () => watcher.close())
    } catch {
      return undefined
    }
  }
}

function isCounted({ changes }: TrailFile): boolean {
  return changes !== undefined && changes.leastCount === changes.mostCount
}

/** What was told before it was seen to have the name is the least, what was told a turn later the most. */
function narrow(file: TrailFile, leastCount: number | undefined, mostCount: number | undefined): void {
  if (leastCount === undefined || mostCount === undefined) return
  const least = Math.max(leastCount, file.changes?.leastCount ?? 0)
  const most = Math.min(mostCount, file.changes?.mostCount ?? Infinity)
  file.changes = { leastCount: least, mostCount: Math.max(least, most) }
}
