/**
 * The CRI log format, `<RFC 3339 time> <stdout|stderr> <tags> <content>\n`, from bytes that come in any portions. Bytes and
 * not text: what a container writes is anything.
 *
 * Zeros where a line should begin are a hole: a log that was emptied in its place while its writer kept its offset. No line
 * begins with a zero byte, so they never belong to one.
 *
 * Deliberately not here: files, and putting the parts of a line together (join-lines.ts).
 */
import type { LogDefect, LogEntry, LogStream, LostLog } from './log-entry.ts'

/** conmon's lines have 8 KiB; a longer one is handed on in parts of this size, so that nothing grows without limit. */
export const pieceMaxBytes = 65_536
/** Of the time, the stream's name and the tags, with their blanks. */
export const headMaxBytes = 128
const defectMaxBytes = 256
const newline = 10
const blank = 32
const colon = 58
const tagFull = 70
const tagPartial = 80

export interface EntryHead {
  readonly at: string
  readonly stream: LogStream
  readonly partial: boolean
  /** Where the content begins. */
  readonly lengthBytes: number
}

/** `offsetBytes`: where its line begins, counted from the first byte that was pushed. */
export type Parsed =
  | { readonly entry: LogEntry; readonly offsetBytes: number; readonly defect?: undefined }
  | { readonly entry?: undefined; readonly defect: LogDefect }
  | { readonly entry?: undefined; readonly defect?: undefined; readonly lost: LostLog }

/** What is known of a line whose end has not been seen: its head was handed on already, or it is none of ours. */
type Begun = { readonly head: EntryHead; readonly offsetBytes: number } | 'garbage'

export class LogParser {
  #pending: Buffer = Buffer.alloc(0)
  /** Of `pending`. */
  #offsetBytes = 0
  #begun: Begun | undefined
  /** Of the hole before the line that comes next. */
  #holeBytes = 0

  /** The entries that these bytes complete. Their content is a copy. */
  push(chunk: Buffer): Parsed[] {
    const parsed: Parsed[] = []
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    let start = 0
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      const line = this.#behindHole(bytes.subarray(start, end))
      this.#line(line, true, 'format', parsed)
      this.#begun = undefined
      this.#offsetBytes += line.length + 1
      start = end + 1
    }
    // A copy, or one short rest would keep a whole chunk in memory.
    this.#pending = Buffer.from(this.#behindHole(bytes.subarray(start)))
    if (this.#pending.length < pieceMaxBytes) return parsed
    // Too long to wait for its end: what there is is handed on.
    this.#line(this.#pending, false, 'format', parsed)
    this.#offsetBytes += this.#pending.length
    this.#pending = Buffer.alloc(0)
    return parsed
  }

  /** What is left when no more bytes come: the part of a line whose end was never written. */
  end(): Parsed[] {
    const parsed: Parsed[] = []
    const bytes = this.#pending
    if (bytes.length > 0) this.#line(bytes, false, 'torn', parsed)
    else this.#tellHole(parsed)
    this.#begun = undefined
    this.#pending = Buffer.alloc(0)
    this.#offsetBytes += bytes.length
    return parsed
  }

  /** The bytes without the zeros that a line cannot begin with; those are counted. */
  #behindHole(bytes: Buffer): Buffer {
    if (this.#begun !== undefined || bytes[0] !== 0) return bytes
    const zeroBytes = leadingZeros(bytes)
    this.#holeBytes += zeroBytes
    this.#offsetBytes += zeroBytes
    return bytes.subarray(zeroBytes)
  }

  #tellHole(parsed: Parsed[]): void {
    if (this.#holeBytes > 0) parsed.push({ lost: { type: 'lost', lostBytes: this.#holeBytes } })
    this.#holeBytes = 0
  }

  #line(line: Buffer, isWhole: boolean, kind: LogDefect['kind'], parsed: Parsed[]): void {
    if (this.#begun === 'garbage') return
    this.#tellHole(parsed)
    const bytes = this.#offsetBytes === 0 ? withoutByteOrderMark(line) : line
    const head = this.#begun?.head ?? parseHead(bytes)
    if (head === undefined) {
      this.#begun = 'garbage'
      parsed.push({ defect: { kind, bytes: Buffer.from(bytes.subarray(0, defectMaxBytes)) } })
      return
    }
    const { at, stream } = head
    const content = Buffer.from(this.#begun === undefined ? bytes.subarray(head.lengthBytes) : bytes)
    this.#begun ??= { head, offsetBytes: this.#offsetBytes }
    const { offsetBytes } = this.#begun
    parsed.push({ entry: { at, stream, partial: head.partial || !isWhole, content }, offsetBytes })
  }
}

/** The head of the entry that a line begins with; undefined when it has none. `line` may go on after the head. */
export function parseHead(line: Buffer): EntryHead | undefined {
  const timeEnd = line.indexOf(blank)
  if (timeEnd < 0 || timeEnd > headMaxBytes) return undefined
  const stream = streams.get(line.toString('latin1', timeEnd, timeEnd + streamFieldBytes))
  if (stream === undefined) return undefined
  const tagAt = timeEnd + streamFieldBytes
  const isPartial = line[tagAt] === tagPartial
  if (!isPartial && line[tagAt] !== tagFull) return undefined
  const lengthBytes = contentStart(line, tagAt + 1)
  if (lengthBytes === undefined) return undefined
  const at = line.toString('latin1', 0, timeEnd)
  return timestampPattern.test(at) ? { at, stream, partial: isPartial, lengthBytes } : undefined
}

/** An editor may have put one before the first line. */
export function withoutByteOrderMark(line: Buffer): Buffer {
  const isMarked = line.length >= byteOrderMark.length && line.indexOf(byteOrderMark) === 0
  return isMarked ? line.subarray(byteOrderMark.length) : line
}

/** How many zero bytes it begins with. Block by block, since a hole may be as large as the log ever was. */
export function leadingZeros(bytes: Buffer): number {
  let at = 0
  while (
    at + zeros.length <= bytes.length &&
    bytes.compare(zeros, 0, zeros.length, at, at + zeros.length) === 0
  ) {
    at += zeros.length
  }
  while (bytes[at] === 0) at += 1
  return at
}

/** Behind the first tag: a blank, or a colon and further tags; an empty line may lack the blank before its content. */
function contentStart(line: Buffer, at: number): number | undefined {
  if (at >= line.length) return line.length
  if (line[at] === blank) return at + 1
  if (line[at] !== colon) return undefined
  const tagsEnd = line.subarray(0, headMaxBytes).indexOf(blank, at)
  if (tagsEnd >= 0) return tagsEnd + 1
  return line.length > headMaxBytes ? undefined : line.length
}

const streams: ReadonlyMap<string, LogStream> = new Map([
  [' stdout ', 'stdout'],
  [' stderr ', 'stderr'],
])
const zeros = Buffer.alloc(4096)
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])
const streamFieldBytes = ' stdout '.length
const timestampPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/
