/**
 * The files that follow each other under one name: a log that is renamed and made anew, or replaced when it is full.
 *
 * A new file is opened as soon as it is seen, also while nobody reads, so that a slow reader does not miss one that is
 * gone again by the time it gets there. The watch is a hint that makes it quick; looking every so often is what counts.
 * Neither keeps the process alive.
 */
import { watch, type FSWatcher } from 'node:fs'
import { basename, dirname } from 'node:path'
import { examineLog, isSameFile, openLogFile, type LogFile } from './log-file.ts'

const pollMs = 500
/** After a rename the new file is about to come. */
const soonMs = 20
/** Each holds a descriptor and, when it has been deleted, its disk space. */
const filesMax = 16

export class LogTrail {
  readonly #path: string
  /** From the one that is being read to the newest. */
  readonly #files: LogFile[] = []
  /** Of the newest file. */
  #watch: FSWatcher | undefined
  /** Of its directory, while a new file is expected. */
  #arrivals: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
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
    this.#schedule(pollMs)
    if (this.#files.length === 0) this.#expectFile()
    else this.#watchNewest()
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
    this.#arrivals?.close()
    this.wake()
    await this.#looking
    await Promise.all(this.#files.splice(0).map(({ handle }) => handle.close()))
  }

  async #look(): Promise<void> {
    if (this.#isClosed || this.#files.length >= filesMax) return
    const newest = this.#files.at(-1)
    const found = await examineLog(this.#path)
    if (found === undefined || (newest !== undefined && isSameFile(found, newest))) return
    const file = await openLogFile(this.#path)
    if (file === undefined) return
    this.#files.push(file)
    if (this.#timer !== undefined) this.#watchNewest()
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    this.#timer = setTimeout(() => void this.#lookAndWake(delayMs), delayMs).unref()
  }

  async #lookAndWake(delayMs: number): Promise<void> {
    // Whoever reads looks for itself and is told what is wrong.
    await this.look().catch(() => undefined)
    this.wake()
    this.#schedule(Math.min(2 * delayMs, pollMs))
  }

  /** The file and not its directory, where the logs of all containers may be. */
  #watchNewest(): void {
    this.#watch?.close()
    this.#arrivals?.close()
    this.#arrivals = undefined
    this.#watch = this.#watchPath(this.#path, (event) => {
      this.wake()
      if (event === 'rename') this.#expectFile()
    })
  }

  /** The name is free, or was a moment ago: the directory is watched until there is a new file. */
  #expectFile(): void {
    this.#arrivals ??= this.#watchPath(dirname(this.#path), (_, name) => {
      if (name === basename(this.#path)) void this.#lookAndWake(soonMs)
    })
    // It may have come before the watch.
    void this.#lookAndWake(soonMs)
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
