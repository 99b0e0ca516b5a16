import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { timestampFromDate, timestampFromNs } from '../src/timestamp.ts'

describe('timestamps', () => {
  it('keep every nanosecond', () => {
    expect(timestampFromNs(1_700_000_000_000_000_001n)).toBe('2023-11-14T22:13:20.000000001Z')
    expect(timestampFromNs(0n)).toBe('1970-01-01T00:00:00.000000000Z')
  })

  it('count upwards within the second before 1970 too', () => {
    expect(timestampFromNs(-1n)).toBe('1969-12-31T23:59:59.999999999Z')
  })

  it('of a date have nine decimals, so that they compare as strings', () => {
    expect(timestampFromDate(new Date('2024-02-29T12:00:00.007Z'))).toBe('2024-02-29T12:00:00.007000000Z')
    expect(timestampFromDate(new Date(-1))).toBe('1969-12-31T23:59:59.999000000Z')
  })

  it('sort as their instants do, and are read back by Date', () => {
    const instants = fc.bigInt({ min: -62_167_219_200_000_000_000n, max: 253_402_300_799_999_999_999n })
    fc.assert(
      fc.property(instants, instants, (a, b) => {
        const [first, second] = [timestampFromNs(a), timestampFromNs(b)]
        expect(first < second).toBe(a < b)
        expect(BigInt(Date.parse(first.slice(0, 19) + 'Z')) * 1_000_000n + BigInt(first.slice(20, 29))).toBe(
          a,
        )
      }),
    )
  })

  it('refuse what RFC 3339 cannot write', () => {
    const refusal: unknown = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'instant' })
    expect(() => timestampFromDate(new Date(Number.NaN))).toThrow(refusal)
    expect(() => timestampFromNs(253_402_300_800_000_000_000n)).toThrow(refusal)
    expect(() => timestampFromNs(10n ** 40n)).toThrow(refusal)
  })
})
