import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeFrame,
  type Frame,
  framePayloadMaxBytes,
  FrameReader,
} from '../../../src/impl/attach-bridge/frames.ts'

const frames = fc.array(
  fc.record({
    session: fc.integer({ min: 0, max: 0xffff_ffff }),
    type: fc.integer({ min: 0, max: 255 }),
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 20 },
)

function encodeAll(all: readonly Frame[]): Buffer {
  return Buffer.concat(all.map(({ session, type, payload }) => encodeFrame(session, type, payload)))
}

/** `bytes` in pieces that end at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b)
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

describe('FrameReader', () => {
  it('gives back what was framed, however the stream is cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 40 }), (all, places) => {
        const reader = new FrameReader()
        const read = cut(encodeAll(all), places).flatMap((piece) => reader.push(piece))
        expect(read).toEqual(all)
      }),
    )
  })

  it('gives a frame as soon as its last byte is there, and not before', () => {
    const bytes = encodeAll([
      { session: 7, type: 17, payload: Buffer.from('hello') },
      { session: 8, type: 18, payload: Buffer.alloc(0) },
    ])
    const reader = new FrameReader()
    const seenAfter = [...bytes].map((byte) => reader.push(Buffer.from([byte])).map(({ session }) => session))
    expect(seenAfter.flatMap((sessions, index) => sessions.map((session) => [session, index + 1]))).toEqual([
      [7, 14],
      [8, 23],
    ])
  })

  it('refuses a length that no frame has, as soon as it can be read', () => {
    const header = encodeFrame(1, 17)
    header.writeUInt32BE(framePayloadMaxBytes + 1, 5)
    expect(() => new FrameReader().push(header)).toThrow(expect.objectContaining({ code: 'ERR_INTERNAL' }))
    header.writeUInt32BE(framePayloadMaxBytes, 5)
    expect(new FrameReader().push(header)).toEqual([])
  })
})
