/** Reading a container's log: the entries that are there, and those that come. */
import { checkOptionsObject, OciError, publicCall, publicVerb } from '../errors/index.ts'
import type { LogDefect, LogEntry } from './log-entry.ts'
import { examineLog, isSameFile, noSuchLog, readAt, type LogFile } from './log-file.ts'
import { isSelected, logSelection, type LogSelection, type SelectionOptions } from './log-selection.ts'
import { LogTrail } from './log-trail.ts'
import { LogParser, type Parsed } from './parse-log.ts'
import { tailStarts, type TailStarts } from './tail-start.ts'

const chunkBytes = 65_536
const nanosPerMs = 1_000_000n

export interface ReadLogOptions extends SelectionOptions {
  /**
   * Goes on with what is written later, through rotation (the log is renamed and made anew) and replacement (it is full).
   * A log that does not exist yet is waited for. Waiting does not keep the process alive. Default false.
   */
  readonly follow?: boolean | undefined
  /** With `follow`: once it has settled, the iteration ends with the last entry; `runtime.waitContainer(c)` for example. */
  readonly ended?: Promise<unknown> | undefined
  /** Ends the iteration at once, without an error. */
  readonly signal?: AbortSignal | undefined
  /** Is told of every line that is no entry and was passed over. Default: nobody is. */
  readonly onDefect?: ((defect: LogDefect) => void) | undefined
}

/**
 * The entries of the log that conmon writes (the CRI format), in the order of the file. Without `follow` it ends where the
 * file ended at the beginning. Lines of more than 8 KiB come in several entries; `joinLogLines` puts them together.
 *
 * The memory it needs does not depend on the size of the log. Only one file is read: one that was rotated away before is
 * a log of its own. `next` rejects with ERR_INVALID_ARGUMENT for a wrong option (`field` names it) and for a path that is
 * no regular file, with ERR_IO when there is no log or it cannot be read.
 */
export function readContainerLog(
  path: string,
  options: ReadLogOptions = {},
): AsyncIterableIterator<LogEntry> {
  return publicCall({ operation: 'readContainerLog' }, () => {
    checkOptionsObject(options, 'readContainerLog')
    return entriesOf(path, options)
  })
}

function entriesOf(path: string, options: ReadLogOptions): AsyncIterableIterator<LogEntry> {
  const stop = new AbortController()
  const abort = () => stop.abort()
  if (options.signal?.aborted === true) abort()
  options.signal?.addEventListener('abort', abort, { once: true, signal: stop.signal })
  // Its failure is for whoever else waits for it.
  options.ended?.catch(() => undefined)
  const entries = readEntries(path, options, stop)
  return {
    next: () => publicVerb({ operation: 'readContainerLog' }, () => entries.next()),
    // A generator that waits for the next entry would let its `return` wait, too.
    return: () => {
      stop.abort()
      return entries.return(undefined)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/**
 * The entries one by one, from what is read at a time: handing each of them through several asynchronous generators would
 * cost more than reading and parsing it.
 */
async function* readEntries(
  path: string,
  options: ReadLogOptions,
  stop: AbortController,
): AsyncGenerator<LogEntry, undefined> {
  for await (const entries of readPortions(path, options, stop)) {
    for (const entry of entries) {
      if (stop.signal.aborted) return undefined
      yield entry
    }
  }
  return undefined
}

async function* readPortions(
  path: string,
  options: ReadLogOptions,
  stop: AbortController,
): AsyncGenerator<LogEntry[], undefined> {
  const selection = logSelection(options)
  const trail = new LogTrail(checkedPath(path))
  const close = () => void trail.close()
  stop.signal.addEventListener('abort', close, { once: true })
  try {
    await trail.look()
    const reading = new Reading(path, trail, selection, options)
    if (options.follow === true) yield* reading.follow(stop.signal)
    else yield* reading.once(stop.signal)
  } catch (error) {
    // What is read from after an abort may be closed already.
    if (!stop.signal.aborted) throw error
  } finally {
    stop.abort()
    await trail.close()
  }
  return undefined
}

class Reading {
  readonly #path: string
  readonly #trail: LogTrail
  readonly #selection: LogSelection
  readonly #options: ReadLogOptions
  readonly #buffer = Buffer.alloc(chunkBytes)
  #parser = new LogParser()
  /** Where in the current file the parser was begun, and what has been read of it. */
  #beginBytes = 0
  #readBytes = 0
  /** Of the lines that were there when it began, with where those ended. */
  #starts: TailStarts | undefined
  #tailEndBytes = 0

  constructor(path: string, trail: LogTrail, selection: LogSelection, options: ReadLogOptions) {
    this.#path = path
    this.#trail = trail
    this.#selection = selection
    this.#options = options
  }

  async *once(stop: AbortSignal): AsyncGenerator<LogEntry[], void> {
    const file = this.#trail.current
    if (file === undefined) throw noSuchLog(this.#path)
    const { size } = await file.handle.stat()
    await this.#begin(file, size)
    yield* this.#drain(file, size, stop)
    yield this.#selected(this.#parser.end())
  }

  async *follow(stop: AbortSignal): AsyncGenerator<LogEntry[], void> {
    const trail = this.#trail
    let ended = false
    const end = () => {
      ended = true
      trail.wake()
    }
    this.#options.ended?.then(end, end)
    if (trail.current !== undefined)
      await this.#begin(trail.current, (await trail.current.handle.stat()).size)
    trail.follow()
    while (!stop.aborted) {
      // In this order: nothing is written after the end, nor to a file after the next one is there.
      const isLast = ended || this.#isOver()
      await trail.look()
      const { current, hasNext } = trail
      if (current !== undefined) {
        yield* this.#drain(current, Infinity, stop)
        if (hasNext || (await this.#isCutOff(current))) {
          yield* this.#restart(hasNext)
          continue
        }
      }
      if (isLast) {
        yield this.#selected(this.#parser.end())
        return
      }
      await trail.change()
    }
  }

  /** Where to begin in the first file. */
  async #begin(file: LogFile, sizeBytes: number): Promise<void> {
    const { tail } = this.#selection
    if (tail === undefined) return
    const starts = await tailStarts(file, sizeBytes, { ...this.#selection, tail }, this.#path)
    this.#starts = starts
    this.#beginBytes = Math.min(sizeBytes, ...starts.values())
    this.#readBytes = this.#beginBytes
    // A stream with none among the last lines has what comes later.
    this.#tailEndBytes = sizeBytes
  }

  /** The last part of a file that has come to its end, and the beginning of the next. */
  async *#restart(isNextFile: boolean): AsyncGenerator<LogEntry[], void> {
    yield this.#selected(this.#parser.end())
    if (isNextFile) await this.#trail.next()
    this.#parser = new LogParser()
    this.#starts = undefined
    this.#beginBytes = 0
    this.#readBytes = 0
  }

  async *#drain(file: LogFile, toBytes: number, stop: AbortSignal): AsyncGenerator<LogEntry[], void> {
    while (!stop.aborted && this.#readBytes < toBytes) {
      const left = toBytes - this.#readBytes
      const chunk = await readAt(file, this.#buffer, this.#readBytes, left, this.#path)
      if (chunk.length === 0) return
      this.#readBytes += chunk.length
      yield this.#selected(this.#parser.push(chunk))
    }
  }

  #selected(parsed: readonly Parsed[]): LogEntry[] {
    const entries: LogEntry[] = []
    for (const { entry, defect, offsetBytes } of parsed) {
      if (defect !== undefined) this.#options.onDefect?.(defect)
      else if (isSelected(this.#selection, entry) && this.#isInTail(entry, offsetBytes)) entries.push(entry)
    }
    return entries
  }

  #isInTail({ stream }: LogEntry, offsetBytes: number): boolean {
    if (this.#starts === undefined) return true
    return this.#beginBytes + offsetBytes >= (this.#starts.get(stream) ?? this.#tailEndBytes)
  }

  /** True for a file that was emptied in its place, as `copytruncate` does. */
  async #isCutOff(file: LogFile): Promise<boolean> {
    const found = await examineLog(this.#path)
    return found !== undefined && isSameFile(found, file) && found.size < this.#readBytes
  }

  #isOver(): boolean {
    const { untilNs } = this.#selection
    return untilNs !== undefined && BigInt(Date.now()) * nanosPerMs >= untilNs
  }
}

function checkedPath(path: string): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path
  const message = 'path must be the path of a log file, without a NUL byte'
  throw new OciError('ERR_INVALID_ARGUMENT', message, { operation: 'readContainerLog', field: 'path' })
}
