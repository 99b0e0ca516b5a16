import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultStopSignal, inferSignal, parseSignal, signalName, signalNumberOr } from '../src/signals.ts'

const unknown = [
  '',
  'NOPE',
  'SIG',
  '0',
  '65',
  '015',
  '1.5',
  '-9',
  ' 9',
  'TERM ',
  'SIGSIGTERM',
  'RTMIN+31',
  'RTMAX-31',
]
const unknownRealTime = [
  'RTMIN-1',
  'RTMAX+1',
  'RTMIN+',
  'RTMIN+01',
  'RTMIN+1+1',
  'ıNT',
  'ſTOP',
  'constructor',
]

describe('parseSignal', () => {
  it.each([
    ['TERM', 15],
    ['SIGTERM', 15],
    ['sigkill', 9],
    ['Usr1', 10],
    ['hup', 1],
    ['CHLD', 17],
    ['CLD', 17],
    ['IOT', 6],
    ['POLL', 29],
    ['STKFLT', 16],
    ['SYS', 31],
    ['PWR', 30],
    ['WINCH', 28],
    ['RTMIN', 34],
    ['sigrtmin+3', 37],
    ['RTMIN+30', 64],
    ['RTMAX', 64],
    ['SIGRTMAX-14', 50],
    ['RTMAX-0', 64],
    ['37', 37],
    [9, 9],
    [64, 64],
  ])('reads %s as %i', (given, number) => {
    expect(parseSignal(given)).toBe(number)
  })

  it.each([...unknown, ...unknownRealTime, 0, 65, -1, 1.5, Number.NaN])(
    'refuses %j, naming the field',
    (given) => {
      expect(() => parseSignal(given)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'signal' }),
      )
    },
  )
})

describe('signalName', () => {
  it.each([
    [1, 'HUP'],
    [15, 'TERM'],
    [17, 'CHLD'],
    [29, 'IO'],
    [31, 'SYS'],
    [32, '32'],
    [34, 'RTMIN'],
    [37, 'RTMIN+3'],
    [49, 'RTMIN+15'],
    [50, 'RTMAX-14'],
    [64, 'RTMAX'],
  ])('calls %i %s', (number, name) => {
    expect(signalName(number)).toBe(name)
  })

  it('gives every signal a name that is read back as the same signal, with and without prefix', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.boolean(), (number, prefixed) => {
        const name = signalName(number)
        const given = prefixed && /^[A-Z]/.test(name) ? `sig${name.toLowerCase()}` : name
        expect(parseSignal(given)).toBe(number)
      }),
    )
  })
})

describe('signalNumberOr', () => {
  it('falls back for what is unknown or not given', () => {
    for (const given of [...unknown, ...unknownRealTime, undefined]) {
      expect(signalNumberOr(given, defaultStopSignal)).toBe(15)
    }
  })

  it('prefers the signal over the fallback', () => {
    expect(signalNumberOr('QUIT', 15)).toBe(3)
  })
})

describe('inferSignal', () => {
  it('infers a signal only from codes above 128 that have one', () => {
    expect([0, 1, 128, 129, 137, 192, 193, 255].map(inferSignal)).toEqual([
      undefined,
      undefined,
      undefined,
      1,
      9,
      64,
      undefined,
      undefined,
    ])
  })
})
