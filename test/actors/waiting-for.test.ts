import { describe, expect, it } from 'vitest'
import { waitingForOf } from '../../src/actors/waiting-for.ts'

const unasked = (): never => expect.fail('nobody has to look')
const killing = 'the process to die after KILL'

describe('what a container waits for', () => {
  it.each([
    ['D', 'in uninterruptible sleep'],
    ['R', 'running'],
    ['S', 'asleep'],
    ['T', 'stopped by a signal'],
    ['t', 'stopped by a debugger'],
    ['Z', 'a zombie with living threads'],
    ['I', 'in a state of its own'],
  ])('says what a process in state %s does instead of dying', (letter, words) => {
    expect(waitingForOf('stopping.killing', 2999, () => letter)).toBe(
      `${killing}, for 2 s; it is ${words} (${letter})`,
    )
  })

  it('is nothing remarkable in the first second of a KILL, and nobody looks', () => {
    expect(waitingForOf('stopping.killing', 999, unasked)).toBe(killing)
    expect(waitingForOf('stopping.killing', 1000, () => 'S')).toBe(`${killing}, for 1 s; it is asleep (S)`)
  })

  it('says how long it takes where the process cannot be looked at', () => {
    expect(waitingForOf('stopping.killing', 61_000, () => undefined)).toBe(`${killing}, for 61 s`)
  })

  it('is plain where no process has to die', () => {
    expect(waitingForOf('creating', 60_000, unasked)).toBe('the runtime to create the container')
    expect(waitingForOf('running', 60_000, unasked)).toBeUndefined()
  })
})
