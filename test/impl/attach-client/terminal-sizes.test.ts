import { describe, expect, it } from 'vitest'
import { LatestSize } from '../../../src/impl/attach-client/terminal-sizes.ts'
import type { TerminalSize } from '../../../src/impl/terminal-size.ts'

/** Sets sizes when it is told to. */
class SlowTerminal {
  readonly sizes: TerminalSize[] = []
  readonly #pending: PromiseWithResolvers<void>[] = []
  readonly set = (size: TerminalSize): Promise<void> => {
    this.sizes.push(size)
    const pending = Promise.withResolvers<void>()
    this.#pending.push(pending)
    return pending.promise
  }

  done(): void {
    this.#pending.shift()?.resolve()
  }

  fail(error: Error): void {
    this.#pending.shift()?.reject(error)
  }
}

const size = (width: number): TerminalSize => ({ width, height: 24 })

describe('the latest size', () => {
  it('is set at once, and of those that come meanwhile only the last', async () => {
    const terminal = new SlowTerminal()
    const latest = new LatestSize(terminal.set)
    const all = [1, 2, 3, 4].map((width) => latest.set(size(width)))
    expect(terminal.sizes).toEqual([size(1)])
    terminal.done()
    await new Promise(setImmediate)
    expect(terminal.sizes).toEqual([size(1), size(4)])
    terminal.done()
    await Promise.all(all)
    const next = latest.set(size(5))
    terminal.done()
    await next
    expect(terminal.sizes.at(-1)).toEqual(size(5))
  })

  it('is set although the one before could not be', async () => {
    const terminal = new SlowTerminal()
    const latest = new LatestSize(terminal.set)
    const all = [latest.set(size(1)), latest.set(size(2))]
    terminal.fail(new Error('no terminal yet'))
    await new Promise(setImmediate)
    terminal.done()
    await Promise.all(all)
    expect(terminal.sizes).toEqual([size(1), size(2)])
    const last = latest.set(size(3))
    terminal.fail(new Error('gone'))
    await expect(last).rejects.toThrow('gone')
  })

  it.each([-1, 1.5, 65_536, Number.NaN])('of %d columns is none', async (width) => {
    const latest = new LatestSize(() => Promise.resolve())
    await expect(latest.set(size(width))).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'width',
    })
  })
})
