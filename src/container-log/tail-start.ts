/**
 * Where the last lines of a log begin, found from its end in blocks: what lies before is never read.
 *
 * Each stream has a beginning of its own. The last line of one may have begun long before lines of the other that have
 * ended since and are none of the last.
 */
import { readAt, type LogFile } from './log-file.ts'
import { isSelected, type LogSelection } from './log-selection.ts'
import type { LogStream } from './log-entry.ts'
import { headMaxBytes, leadingZeros, parseHead, withoutByteOrderMark } from './parse-log.ts'

const blockBytes = 65_536
const newline = 10
/** How far back the beginning of a line in parts is looked for once there are enough lines. */
const lookBackMaxBytes = 1024 * 1024
/** So many zeros are no line's content. */
const holeMaxBytes = 1024 * 1024

/** The first entry of each stream that counts; a stream without one is not in it. */
export type TailStarts = ReadonlyMap<LogStream, number>

/** Of the first `sizeBytes` of the file. */
export async function tailStarts(
  file: LogFile,
  sizeBytes: number,
  selection: LogSelection & { readonly tail: number },
  path: string,
): Promise<TailStarts> {
  const count = new TailCount(selection)
  const buffer = Buffer.alloc(blockBytes)
  /** Of what follows the block: the head of a line may lie across the border, and a hole before it as well. */
  let following: Buffer = Buffer.alloc(0)
  let first: Beginning = { offset: sizeBytes, bytes: following }
  let endsTorn = true
  for (let end = sizeBytes; end > 0 && !count.isDone(end);) {
    const from = Math.max(0, end - blockBytes)
    const block = await readAt(file, buffer, from, end - from, path)
    // Cut off meanwhile: there is no tail any more.
    if (block.length < end - from) return new Map()
    if (end === sizeBytes) endsTorn = block.at(-1) !== newline
    const bytes = Buffer.concat([block, following])
    const next = first
    const lineAt = (start: number) => beginningAt(bytes, start, block.length, from) ?? next
    // A log that was emptied under its writer begins with a hole of any size; there is nothing before it.
    const isBehindHole = first.offset - from > holeMaxBytes && lineAt(0) === next
    for (const start of isBehindHole ? [0] : lineStarts(block, from === 0)) {
      const { offset, bytes: beginning } = lineAt(start)
      if (offset === sizeBytes) continue
      count.line(beginning, offset, endsTorn)
      endsTorn = false
    }
    if (isBehindHole) break
    first = lineAt(0)
    following = bytes.subarray(0, headMaxBytes + 1)
    end = from
  }
  return count.starts
}

interface Beginning {
  readonly offset: number
  readonly bytes: Buffer
}

/** Of the line that begins at `start` of the block, or behind the hole that does; undefined when it is behind the block. */
function beginningAt(
  bytes: Buffer,
  start: number,
  blockLength: number,
  blockOffset: number,
): Beginning | undefined {
  const at = start + leadingZeros(bytes.subarray(start, blockLength))
  if (at >= blockLength) return undefined
  const beginning = bytes.subarray(at, at + headMaxBytes + 1)
  if (blockOffset + at > 0) return { offset: blockOffset + at, bytes: beginning }
  const unmarked = withoutByteOrderMark(beginning)
  return { offset: beginning.length - unmarked.length, bytes: unmarked }
}

/** From the last to the first, relative to the block. */
function* lineStarts(block: Buffer, isFirst: boolean): Generator<number, void, undefined> {
  for (let at = block.length - 1; at >= 0; at -= 1) {
    at = block.lastIndexOf(newline, at)
    if (at < 0) break
    yield at + 1
  }
  if (isFirst) yield 0
}

class TailCount {
  readonly starts = new Map<LogStream, number>()
  readonly #selection: LogSelection & { readonly tail: number }
  #lines = 0
  /** Where the last of the lines was found. */
  #fullAtBytes: number | undefined
  /** Streams of which nothing further back counts. */
  readonly #closed = new Set<string>()

  constructor(selection: LogSelection & { readonly tail: number }) {
    this.#selection = selection
    if (selection.tail === 0) this.#fullAtBytes = Infinity
  }

  /** Whether nothing before `offset` counts. */
  isDone(offset: number): boolean {
    if (this.#fullAtBytes === undefined) return false
    if (this.#fullAtBytes - offset > lookBackMaxBytes) return true
    return [...this.starts.keys()].every((stream) => this.#closed.has(stream))
  }

  /** Takes the lines from the last to the first. */
  line(beginning: Buffer, offset: number, isTorn: boolean): void {
    const end = beginning.indexOf(newline)
    const head = parseHead(end < 0 ? beginning : beginning.subarray(0, end))
    if (head === undefined || this.#closed.has(head.stream)) return
    if (!isSelected(this.#selection, head)) return
    const { stream } = head
    const continues = head.partial && !isTorn && this.starts.has(stream)
    if (!continues) {
      if (this.#fullAtBytes !== undefined) {
        this.#closed.add(stream)
        return
      }
      this.#lines += 1
      if (this.#lines === this.#selection.tail) this.#fullAtBytes = offset
    }
    this.starts.set(stream, offset)
  }
}
