import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isOciError } from '../../../src/errors/index.ts'
import {
  decodeMessage,
  encodeMessage,
  type Message,
  messageLengthBytes,
  messageMaxBytes,
  splitSignature,
  type Value,
} from '../../../src/impl/systemd/wire.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((each) => !each.includes('\0'))

/** A type and a value of it. */
const { typed } = fc.letrec<{ typed: [string, Value]; leaf: [string, Value] }>((tie) => ({
  leaf: fc.oneof(
    fc.tuple(fc.constant('y'), fc.nat(255)),
    fc.tuple(fc.constant('b'), fc.boolean()),
    fc.tuple(fc.constant('n'), fc.integer({ min: -32_768, max: 32_767 })),
    fc.tuple(fc.constant('q'), fc.nat(65_535)),
    fc.tuple(fc.constant('i'), fc.integer()),
    fc.tuple(fc.constant('u'), fc.nat(2 ** 32 - 1)),
    fc.tuple(fc.constant('x'), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    fc.tuple(fc.constant('t'), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    fc.tuple(fc.constant('d'), fc.double({ noNaN: true })),
    fc.tuple(fc.constant('s'), text),
    fc.tuple(fc.constant('g'), fc.constantFrom('', 'a{sv}', '(uoss)')),
  ),
  typed: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    tie('typed').map(([signature, value]): [string, Value] => ['v', { signature, value }]),
    fc
      .tuple(tie('typed'), fc.nat(3))
      .map(([[type, value], count]): [string, Value] => [
        `a${type}`,
        Array.from({ length: count }, () => value),
      ]),
    fc
      .tuple(tie('leaf'), tie('typed'))
      .map(([one, two]): [string, Value] => [`(${one[0]}${two[0]})`, [one[1], two[1]]]),
    fc
      .tuple(tie('leaf'), tie('typed'))
      .map(([one, two]): [string, Value] => [`a{${one[0]}${two[0]}}`, [[one[1], two[1]]]]),
  ),
}))

function outcomeOf(bytes: Buffer): string {
  try {
    const lengthBytes = messageLengthBytes(bytes)
    if (lengthBytes !== undefined) decodeMessage(bytes.subarray(0, lengthBytes))
    return 'read'
  } catch (error) {
    return isOciError(error) ? error.code : String(error)
  }
}

describe('a message', () => {
  it('is read as it was written, whatever is in it', () => {
    fc.assert(
      fc.property(fc.array(typed, { maxLength: 4 }), fc.nat(2 ** 32 - 1), (values, serial) => {
        const message: Message = {
          type: 1,
          serial,
          path: '/a/b',
          member: 'Call',
          signature: values.map(([type]) => type).join(''),
          body: values.map(([, value]) => value),
        }
        const bytes = encodeMessage(message)
        expect(messageLengthBytes(bytes)).toBe(bytes.length)
        expect(decodeMessage(bytes)).toEqual({
          ...message,
          replySerial: undefined,
          interface: undefined,
          errorName: undefined,
          destination: undefined,
        })
      }),
    )
  })

  it('is on the wire as the specification has it', () => {
    const hello = encodeMessage({
      type: 1,
      serial: 1,
      path: '/o',
      member: 'Hi',
      signature: 'yu',
      body: [7, 8],
    })
    expect(hello.toString('hex')).toBe(
      [
        '6c010001080000000100000028000000',
        '01016f00020000002f6f000000000000',
        '03017300020000004869000000000000',
        '0801670002797500',
        '0700000008000000',
      ].join(''),
    )
  })

  it('is read from a peer of the other byte order', () => {
    const bytes = Buffer.from(
      [
        '42020001',
        '00000004',
        '00000009',
        '0000000f',
        '05017500',
        '00000003',
        '08016700',
        '01750000',
        '0000002a',
      ].join(''),
      'hex',
    )
    expect(messageLengthBytes(bytes)).toBe(bytes.length)
    expect(decodeMessage(bytes)).toMatchObject({ type: 2, serial: 9, replySerial: 3, body: [42] })
  })

  it('that is malformed is refused, never read past its end', () => {
    const whole = encodeMessage({ type: 4, serial: 1, path: '/o', signature: 'as', body: [['a', 'b']] })
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const broken = Buffer.from(whole)
        broken[at] = byte
        expect(['read', 'ERR_IO']).toContain(outcomeOf(broken))
      }),
    )
  })

  it('that claims to be huge is refused before it is waited for', () => {
    const bytes = Buffer.alloc(16)
    bytes.write('l')
    bytes.writeUInt32LE(messageMaxBytes, 4)
    expect(() => messageLengthBytes(bytes)).toThrow(/malformed/)
  })
})

it('signatures fall into their types', () => {
  expect(splitSignature('ssa(sv)a(sa(sv))a{oas}u')).toEqual(['s', 's', 'a(sv)', 'a(sa(sv))', 'a{oas}', 'u'])
  for (const wrong of ['a', '(', '(s', 'z', 'a{s', ')'])
    expect(() => splitSignature(wrong)).toThrow(/malformed/)
})
