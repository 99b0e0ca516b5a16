/**
 * Mutants that no test kills, each with the reason why that is right. A run fails when one of them is killed after all,
 * or is no mutant any more.
 */

export interface Accepted {
  readonly file: string
  readonly within: string
  readonly change: string
  readonly why: string
}

export const accepted: readonly Accepted[] = []
