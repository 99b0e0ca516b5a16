/**
 * Frames of ttrpc: a header of ten bytes (length of the data, stream, kind, flags), then the data.
 *
 * Invariant: no more than one frame's limit is ever held back, whatever the other side announces.
 */
import { OciError } from '../../../errors/index.ts'

export interface Frame {
  /** Odd for calls of a client. */
  readonly streamId: number
  readonly kind: number
  readonly data: Uint8Array
}

export const kindRequest = 1
export const kindResponse = 2

/** The protocol's own limit of a frame's data. */
export const frameDataMaxBytes = 4 * 1024 * 1024
const headerBytes = 10

/** Throws ERR_INVALID_ARGUMENT for data that no frame may carry. */
export function encodeFrame({ streamId, kind, data }: Frame): Buffer {
  if (data.length > frameDataMaxBytes) {
    const message = `a message of ${data.length} bytes cannot be sent: a ttrpc frame carries at most ${frameDataMaxBytes}`
    throw new OciError('ERR_INVALID_ARGUMENT', message)
  }
  const frame = Buffer.allocUnsafe(headerBytes + data.length)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(streamId, 4)
  frame.writeUInt8(kind, 8)
  frame.writeUInt8(0, 9)
  frame.set(data, headerBytes)
  return frame
}

/** Puts frames together from what a socket delivers, in pieces of any size. */
export class FrameReader {
  readonly #chunks: Buffer[] = []
  #heldBytes = 0

  /** The frames that are complete now. Throws ERR_RUNTIME_FAILED at a frame that is too long: nothing after it can be trusted. */
  push(chunk: Buffer): readonly Frame[] {
    this.#chunks.push(chunk)
    this.#heldBytes += chunk.length
    const frames: Frame[] = []
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame)
    return frames
  }

  #next(): Frame | undefined {
    if (this.#heldBytes < headerBytes) return undefined
    const header = this.#joined(headerBytes)
    const dataBytes = header.readUInt32BE(0)
    if (dataBytes > frameDataMaxBytes) {
      const message = `a ttrpc frame of ${dataBytes} bytes was announced, it may have at most ${frameDataMaxBytes}`
      throw new OciError('ERR_RUNTIME_FAILED', message)
    }
    const totalBytes = headerBytes + dataBytes
    if (this.#heldBytes < totalBytes) return undefined
    const whole = this.#joined(totalBytes)
    const rest = whole.subarray(totalBytes)
    this.#chunks.splice(0, 1, ...(rest.length > 0 ? [rest] : []))
    this.#heldBytes -= totalBytes
    return {
      streamId: whole.readUInt32BE(4),
      kind: whole.readUInt8(8),
      data: whole.subarray(headerBytes, totalBytes),
    }
  }

  /** The first chunk, which has at least so many bytes. Joined only when a frame is complete, so large ones are copied once. */
  #joined(leastBytes: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= leastBytes) return first
    const joined = Buffer.concat(this.#chunks)
    this.#chunks.splice(0, this.#chunks.length, joined)
    return joined
  }
}
