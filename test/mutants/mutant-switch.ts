/** Which mutant is on, of all that are in the sources: asked by the mutated sources themselves. */

let on = -1
/** Which mutants have been passed by; only looked at while it is wanted. */
let passed: Uint8Array | undefined

export function isOn(mutant: number): boolean {
  if (passed !== undefined) passed[mutant] = 1
  return mutant === on
}

export function switchOn(mutant: number | undefined): void {
  on = mutant ?? -1
}

export function notePassing(count: number | undefined): void {
  passed = count === undefined ? undefined : new Uint8Array(count)
}

/** Those passed by since the last time it was asked. */
export function takePassed(): number[] {
  const mutants: number[] = []
  for (const [mutant, flag] of (passed ?? []).entries()) if (flag === 1) mutants.push(mutant)
  passed?.fill(0)
  return mutants
}
