import { describe, expect, it } from 'vitest'
import { HoldUp } from '../../../src/impl/attach-client/hold-up.ts'
import type { Clock } from '../../../src/surroundings/clock.ts'

/** Time that passes by hand; a timer runs when time has passed it, however far. */
class HandClock implements Clock {
  #nowMs = 0
  #timer: { readonly callback: () => void; readonly dueMs: number } | undefined

  now(): number {
    return this.#nowMs
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    this.#timer = { callback, dueMs: this.#nowMs + delayMs }
    return this.#timer
  }

  clearTimeout(timer: unknown): void {
    if (this.#timer === timer) this.#timer = undefined
  }

  /** In one leap, as for an event loop that stands still. */
  leap(byMs: number): void {
    this.#nowMs += byMs
    const due = this.#timer
    if (due === undefined || due.dueMs > this.#nowMs) return
    this.#timer = undefined
    due.callback()
  }

  pass(forMs: number): void {
    for (let leftMs = forMs; leftMs > 0; leftMs -= 1) this.leap(1)
  }
}

function stage() {
  const clock = new HandClock()
  let isSpent = false
  const holdUp = new HoldUp(() => (isSpent = true), clock)
  return { clock, holdUp, isSpent: () => isSpent }
}

describe('a client that does not read', () => {
  it('may hold its container up for a second in all', () => {
    const { clock, holdUp, isSpent } = stage()
    holdUp.begin()
    clock.pass(999)
    expect(isSpent()).toBe(false)
    clock.pass(1)
    expect(isSpent()).toBe(true)
  })

  it('earns that back slowly', () => {
    const { clock, holdUp, isSpent } = stage()
    holdUp.begin()
    clock.pass(990)
    holdUp.end()
    clock.pass(1000)
    holdUp.begin()
    clock.pass(59)
    expect(isSpent()).toBe(false)
    clock.pass(1)
    expect(isSpent()).toBe(true)
  })

  it('is not charged for a stall of our own event loop, in which it could not have been read for', () => {
    const { clock, holdUp, isSpent } = stage()
    holdUp.begin()
    for (let i = 0; i < 15; i += 1) clock.leap(60_000)
    expect(isSpent()).toBe(false)
    holdUp.end()
    holdUp.begin()
    clock.leap(60_000)
    holdUp.end()
    expect(isSpent()).toBe(false)
  })
})
