/** Reading a container's log: the entries that are there, and those that come. */
import { checkOptionsObject, OciError, publicCall, publicVerb } from '../errors/index.ts'
import type { LogDefect, LogEntry, LogRecord, LostLog } from './log-entry.ts'
import { noSuchLog, sizeOf, type LogFile } from './log-file.ts'
import { LogPosition, type FoundBytes } from './log-position.ts'
import { isSelected, logSelection, type LogSelection, type SelectionOptions } from './log-selection.ts'
import { LogTrail } from './log-trail.ts'
import { LogParser, type Parsed } from './parse-log.ts'
import { tailStarts, type TailStarts } from './tail-start.ts'

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
 * Where lines cannot be read any more, since the log was emptied or replaced before they were, a {@link LostLog} stands in
 * their place; neither `since` nor `streams` passes it over. What was gone before the first line is not missed, but for a
 * hole that it left in the file.
 *
 * The memory it needs does not depend on the size of the log. Only one file is read: one that was rotated away before is
 * a log of its own. `next` rejects with ERR_INVALID_ARGUMENT for a wrong option (`field` names it) and for a path that is
 * no regular file, with ERR_IO when there is no log or it cannot be read.
 */
export function readContainerLog(
  path: string,
  options: ReadLogOptions = {},
): AsyncIterableIterator<LogRecord> {
  return publicCall({ operation: 'readContainerLog' }, () => {
    checkOptionsObject(options, 'readContainerLog')
    return entriesOf(path, options)
  })
}

function entriesOf(path: string, options: ReadLogOptions): AsyncIterableIterator<LogRecord> {
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
): AsyncGenerator<LogRecord, undefined> {
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
): AsyncGenerator<LogRecord[], undefined> {
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

const lostUnknown: LostLog = { type: 'lost', lostBytes: undefined }

class Reading {
  readonly #path: string
  readonly #trail: LogTrail
  readonly #selection: LogSelection
  readonly #options: ReadLogOptions
  readonly #position: LogPosition
  #parser = new LogParser()
  /** Where in the current file the parser was begun. */
  #beginBytes = 0
  /** The current file was emptied in its place and has nothing since; what was lost then has not been told. */
  #isEmptied = false
  /** Of the lines that were there when it began, with where those ended. */
  #starts: TailStarts | undefined
  #tailEndBytes = 0

  constructor(path: string, trail: LogTrail, selection: LogSelection, options: ReadLogOptions) {
    this.#path = path
    this.#trail = trail
    this.#selection = selection
    this.#options = options
    this.#position = new LogPosition(path)
  }

  async *once(stop: AbortSignal): AsyncGenerator<LogRecord[], void> {
    const file = this.#trail.current
    if (file === undefined) throw noSuchLog(this.#path)
    const sizeBytes = await sizeOf(file, this.#path)
    await this.#begin(file, sizeBytes)
    while (!stop.aborted && this.#position.atBytes < sizeBytes) {
      const found = await this.#position.read(file, sizeBytes)
      if (found.chunk === undefined) {
        yield [...this.#rest(), { type: 'lost', lostBytes: sizeBytes - this.#position.atBytes }]
        return
      }
      yield this.#parsed(found)
    }
    yield this.#rest()
  }

  async *follow(stop: AbortSignal): AsyncGenerator<LogRecord[], void> {
    const trail = this.#trail
    let ended = false
    const end = () => {
      ended = true
      trail.wake()
    }
    this.#options.ended?.then(end, end)
    if (trail.current !== undefined) await this.#begin(trail.current, await sizeOf(trail.current, this.#path))
    trail.follow()
    while (!stop.aborted) {
      // In this order: nothing is written after the end, nor to a file after the next one is there.
      const isLast = ended || this.#isOver()
      await trail.look()
      const { current, hasNext } = trail
      if (current !== undefined) {
        yield* this.#drain(current, stop)
        if (hasNext) {
          yield await this.#goOn()
          continue
        }
      }
      if (isLast) {
        yield this.#rest()
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
    const beginBytes = Math.min(sizeBytes, ...starts.values())
    // Emptied meanwhile: what there is has come since.
    if (!(await this.#position.moveTo(file, beginBytes))) return
    this.#starts = starts
    this.#beginBytes = beginBytes
    // A stream with none among the last lines has what comes later.
    this.#tailEndBytes = sizeBytes
  }

  /** The last part of a file that has come to its end; then the next file is the current one. */
  async #goOn(): Promise<LogRecord[]> {
    const rest = this.#rest()
    // What is known of the next file may have become more.
    await this.#trail.look()
    if (!this.#trail.isNextAdjacent && rest.at(-1)?.type !== 'lost') rest.push(lostUnknown)
    await this.#trail.next()
    this.#restart()
    return rest
  }

  #restart(): void {
    this.#parser = new LogParser()
    this.#position.rewind()
    this.#starts = undefined
    this.#beginBytes = 0
  }

  async *#drain(file: LogFile, stop: AbortSignal): AsyncGenerator<LogRecord[], void> {
    while (!stop.aborted) {
      const found = await this.#position.read(file, Infinity)
      this.#isEmptied = found.kind === 'emptied'
      if (this.#isEmptied) return
      if (found.chunk === undefined) {
        yield [...this.#rest(), lostUnknown]
        this.#restart()
        continue
      }
      if (found.chunk.length === 0) return
      yield this.#parsed(found)
    }
  }

  #parsed({ kind, chunk }: FoundBytes): LogRecord[] {
    // The rest of a line is in the hole.
    const rest = kind === 'hole' && chunk[0] === 0 ? this.#selected(this.#parser.end()) : []
    return [...rest, ...this.#selected(this.#parser.push(chunk))]
  }

  /** What is left at the end of a file. */
  #rest(): LogRecord[] {
    const rest = this.#selected(this.#parser.end())
    if (this.#isEmptied) rest.push(lostUnknown)
    this.#isEmptied = false
    return rest
  }

  #selected(parsed: readonly Parsed[]): LogRecord[] {
    const records: LogRecord[] = []
    for (const one of parsed) {
      if (one.entry !== undefined) {
        const { entry, offsetBytes } = one
        if (isSelected(this.#selection, entry) && this.#isInTail(entry, offsetBytes)) records.push(entry)
      } else if (one.defect !== undefined) this.#options.onDefect?.(one.defect)
      else records.push(one.lost)
    }
    return records
  }

  #isInTail({ stream }: LogEntry, offsetBytes: number): boolean {
    if (this.#starts === undefined) return true
    return this.#beginBytes + offsetBytes >= (this.#starts.get(stream) ?? this.#tailEndBytes)
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
