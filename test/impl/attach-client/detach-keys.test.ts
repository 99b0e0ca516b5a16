import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DetachKeys,
  detachKeysDefault,
  parseDetachKeys,
} from '../../../src/impl/attach-client/detach-keys.ts'

describe('parseDetachKeys', () => {
  it.each([
    [detachKeysDefault, [16, 17]],
    ['ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [0, 27, 28, 29, 30, 31]],
    ['a', [97]],
    ['ctrl-A,B', [1, 66]],
    ['', []],
  ])("reads docker's notation: '%s'", (notation, bytes) => {
    expect([...parseDetachKeys(notation)]).toEqual(bytes)
  })

  it.each(['ctrl-', 'ctrl-1', 'ctrl-pq', 'shift-a', 'ab', 'a,', ',', 'é'])(
    "refuses '%s' and names it",
    (notation) => {
      expect(() => parseDetachKeys(notation)).toThrow(`got '${notation}'`)
      expect(() => parseDetachKeys(notation)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'detachKeys' }),
      )
    },
  )
})

function type(keys: Buffer, pieces: readonly Buffer[]): { forwarded: Buffer; detached: boolean } {
  const detachKeys = new DetachKeys(keys)
  const forwarded: Buffer[] = []
  for (const piece of pieces) {
    const { forward, detach } = detachKeys.push(piece)
    forwarded.push(forward)
    if (detach) return { forwarded: Buffer.concat(forwarded), detached: true }
  }
  return { forwarded: Buffer.concat([...forwarded, detachKeys.rest()]), detached: false }
}

/** Few different bytes, so that the keys and beginnings of them do come. */
const bytes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 30 }).map((all) => Buffer.from(all))
const someKeys = fc
  .array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 })
  .map((all) => Buffer.from(all))

describe('DetachKeys', () => {
  it('finds the first occurrence of the keys, however the input is cut, and forwards exactly what is before it', () => {
    fc.assert(
      fc.property(someKeys, fc.array(bytes, { maxLength: 8 }), (keys, pieces) => {
        const all = Buffer.concat(pieces)
        const at = all.indexOf(keys)
        const expected = { forwarded: at < 0 ? all : all.subarray(0, at), detached: at >= 0 }
        expect(type(keys, pieces)).toEqual(expected)
      }),
    )
  })

  it('holds back nothing that cannot be the beginning of the keys', () => {
    const detachKeys = new DetachKeys(parseDetachKeys(detachKeysDefault))
    expect(detachKeys.push(Buffer.from('ls\x10'))).toEqual({ forward: Buffer.from('ls'), detach: false })
    expect(detachKeys.push(Buffer.from('x'))).toEqual({ forward: Buffer.from('\x10x'), detach: false })
  })

  it('lets everything pass without keys', () => {
    const typed = Buffer.from([16, 17])
    expect(new DetachKeys(parseDetachKeys('')).push(typed)).toEqual({ forward: typed, detach: false })
  })
})
