import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HeadBytes, TailBytes } from '../../../src/impl/launcher/bounded-output.ts'

const chunks = fc.array(
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes.map((byte) => byte & 0x7f))),
)

describe('bounded output', () => {
  it('keeps the beginning, however it is cut into pieces', () => {
    fc.assert(
      fc.property(chunks, fc.nat(60), (pieces, bytesMax) => {
        const head = new HeadBytes(bytesMax)
        for (const piece of pieces) head.push(piece)
        const all = Buffer.concat(pieces)
        expect(head.toString()).toBe(all.subarray(0, bytesMax).toString())
        expect(head.truncated).toBe(all.length > bytesMax)
      }),
    )
  })

  it('keeps the end, however it is cut into pieces', () => {
    fc.assert(
      fc.property(chunks, fc.integer({ min: 1, max: 60 }), (pieces, bytesMax) => {
        const tail = new TailBytes(bytesMax)
        for (const piece of pieces) tail.push(piece)
        expect(tail.toString()).toBe(Buffer.concat(pieces).subarray(-bytesMax).toString())
      }),
    )
  })

  it('does not begin with half a character', () => {
    const tail = new TailBytes(4)
    tail.push(Buffer.from('aéßz'))
    expect(tail.toString()).toBe('ßz')
  })

  it('joins a character that came in two pieces', () => {
    const head = new HeadBytes(10)
    const [first, second] = [Buffer.from('é').subarray(0, 1), Buffer.from('é').subarray(1)]
    head.push(first)
    head.push(second)
    expect(head.toString()).toBe('é')
  })
})
