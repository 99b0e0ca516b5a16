/** Medians, and ratios of rounds: what both peers of a round had of the host was the same. */
import type { Samples } from './peers/protocol.ts'

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** What was measured of one peer, by name, round by round. */
export class Series {
  readonly #rounds = new Map<string, number[][]>()

  add(round: number, samples: Samples): void {
    for (const [name, values] of Object.entries(samples)) {
      const rounds = this.#rounds.get(name) ?? []
      rounds[round] = [...(rounds[round] ?? []), ...values]
      this.#rounds.set(name, rounds)
    }
  }

  get names(): readonly string[] {
    return [...this.#rounds.keys()]
  }

  all(name: string): readonly number[] {
    return (this.#rounds.get(name) ?? []).flat()
  }

  /** The median of each round; a hole where the round has none. */
  medians(name: string): readonly (number | undefined)[] {
    return (this.#rounds.get(name) ?? []).map((values) => median(values))
  }
}

export interface Ratio {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The ratio of the medians of each round in which both were measured. */
export function ratioOf(
  ours: readonly (number | undefined)[],
  floor: readonly (number | undefined)[],
): Ratio | undefined {
  const ratios = ours.flatMap((value, round) => {
    const base = floor[round]
    return value === undefined || base === undefined ? [] : [value / base]
  })
  if (ratios.length === 0) return undefined
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) }
}
