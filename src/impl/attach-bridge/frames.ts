/**
 * The framing between the supervisor and the attach helper: many sessions over one stream.
 *
 * A frame is a session's number (4 bytes), a type (1 byte), the length of the payload (4 bytes) and the payload. Both sides
 * read at all times, so that no session can hold up another one; what a side may send is limited by credit and
 * acknowledgements (see protocol.ts), never by not reading.
 */
import { OciError } from '../../errors/index.ts'

export interface Frame {
  readonly session: number
  readonly type: number
  readonly payload: Buffer
}

const headerBytes = 9
/** Above the largest message that is passed on, and above the longest path. */
export const framePayloadMaxBytes = 128 * 1024

export function encodeFrame(session: number, type: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + payload.length)
  frame.writeUInt32BE(session, 0)
  frame.writeUInt8(type, 4)
  frame.writeUInt32BE(payload.length, 5)
  payload.copy(frame, headerBytes)
  return frame
}

/** Cuts a stream into frames, however it arrives. */
export class FrameReader {
  #rest: Buffer[] = []
  #restBytes = 0
  /** How much it takes until there is another whole frame. */
  #neededBytes = headerBytes

  /** The frames that are complete with this chunk. Throws ERR_INTERNAL when this cannot be our framing. */
  push(chunk: Buffer): Frame[] {
    this.#rest.push(chunk)
    this.#restBytes += chunk.length
    if (this.#restBytes < this.#neededBytes) return []
    const bytes = this.#rest.length === 1 ? chunk : Buffer.concat(this.#rest)
    const frames: Frame[] = []
    let at = 0
    for (;;) {
      const endOfFrame = at + frameBytes(bytes, at)
      this.#neededBytes = endOfFrame - at
      if (endOfFrame > bytes.length) break
      frames.push({
        session: bytes.readUInt32BE(at),
        type: bytes.readUInt8(at + 4),
        payload: bytes.subarray(at + headerBytes, endOfFrame),
      })
      at = endOfFrame
    }
    const rest = bytes.subarray(at)
    this.#rest = rest.length === 0 ? [] : [rest]
    this.#restBytes = rest.length
    return frames
  }
}

/** As far as it can be told from what has arrived. */
function frameBytes(bytes: Buffer, at: number): number {
  if (bytes.length - at < headerBytes) return headerBytes
  const payloadBytes = bytes.readUInt32BE(at + 5)
  if (payloadBytes > framePayloadMaxBytes) {
    throw new OciError('ERR_INTERNAL', `a frame of ${payloadBytes} bytes is none of ours`)
  }
  return headerBytes + payloadBytes
}
