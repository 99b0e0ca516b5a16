/**
 * A chunk of output as lines of a log: `<time> <stdout|stderr> <F|P> <content>\n`, F where the container wrote a newline
 * itself. Bytes, never text. Its reader is src/container-log.
 *
 * As with conmon a line is written as far as it has come (P), whatever follows, in pieces of at most 8 KiB. So what is
 * open when the supervisor dies is on disk, and the next one just goes on.
 */
import type { LogStream } from '../../../container-log/log-entry.ts'
import { stampBytes } from './log-stamp.ts'

export const pieceMaxBytes = 8192

export const newline = 10
const tagPartial = 80
const streamNameBytes = 'stdout'.length
/** Time, stream and tag, each with the blank behind it. */
const headBytes = stampBytes + 1 + streamNameBytes + 1 + 2
const tagAt = stampBytes + 1 + streamNameBytes + 1

export function logLines(stamp: string, stream: LogStream, chunk: Uint8Array): Buffer {
  const fullHead = Buffer.from(`${stamp} ${stream} F `, 'latin1')
  const partialHead = Buffer.from(`${stamp} ${stream} P `, 'latin1')
  const lines = Buffer.allocUnsafe(chunk.length + piecesMax(chunk) * (headBytes + 1))
  let at = 0
  for (let from = 0; from < chunk.length;) {
    const { to, isFull } = nextPiece(chunk, from)
    at += (isFull ? fullHead : partialHead).copy(lines, at)
    lines.set(chunk.subarray(from, to), at)
    at += to - from
    lines[at] = newline
    at += 1
    from = isFull ? to + 1 : to
  }
  return lines.subarray(0, at)
}

/** A line without content that ends one that was begun. */
export function lineEnd(stamp: string, stream: LogStream): Buffer {
  return Buffer.from(`${stamp} ${stream} F \n`, 'latin1')
}

function piecesMax(chunk: Uint8Array): number {
  let newlines = 0
  for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, at + 1)) newlines += 1
  return newlines + Math.ceil(chunk.length / pieceMaxBytes) + 1
}

/** `to`: where it ends, without the newline of a full one. */
function nextPiece(chunk: Uint8Array, from: number): { readonly to: number; readonly isFull: boolean } {
  const found = chunk.indexOf(newline, from)
  const end = found < 0 ? chunk.length : found
  if (end - from > pieceMaxBytes) return { to: from + pieceMaxBytes, isFull: false }
  return { to: end, isFull: found >= 0 }
}

/** How many of the container's own bytes whole lines of {@link logLines} contain. */
export function contentBytesOf(lines: Uint8Array): number {
  let sizeBytes = 0
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf(newline, at + headBytes)
    sizeBytes += end - at - headBytes + (lines[at + tagAt] === tagPartial ? 0 : 1)
    at = end + 1
  }
  return sizeBytes
}

/** Whether the last of whole lines goes on. */
export function endsOpen(lines: Uint8Array): boolean {
  const last = lines.length < 2 ? 0 : lines.lastIndexOf(newline, lines.length - 2) + 1
  return lines[last + tagAt] === tagPartial
}
