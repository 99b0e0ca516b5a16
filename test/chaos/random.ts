/** Reproducible chance: the same seed makes the same choices. */

export interface Random {
  /** At least 0, less than `limit`. */
  below(limit: number): number
  shuffled<T>(items: readonly T[]): T[]
}

/** mulberry32, good enough to choose by and short enough to read. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    shuffled: (items) => {
      const left = [...items]
      for (let last = left.length - 1; last > 0; last -= 1) {
        const other = below(last + 1)
        const [a, b] = [left[last], left[other]]
        if (a !== undefined && b !== undefined) [left[last], left[other]] = [b, a]
      }
      return left
    },
  }
}
