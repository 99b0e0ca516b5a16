/** What a worker is asked to do, and what it says. */

export type Order =
  /** With a mutant: it is on while the sources are loaded. Without: which ones are passed by is noted. */
  | {
      readonly kind: 'load'
      readonly files: readonly string[]
      readonly mutant: number | undefined
      /** A source as it is to be, in place of the one with mutants. */
      readonly patch?: { readonly file: string; readonly text: string }
    }
  | { readonly kind: 'survey'; readonly test: string; readonly limitMs: number }
  | {
      readonly kind: 'try'
      readonly mutant: number
      /** What it changes has its effect when the sources are loaded, so it cannot be switched off. */
      readonly isStatic: boolean
      readonly tests: readonly { readonly test: string; readonly limitMs: number }[]
    }

export type Report =
  /** A test begins, so that whoever watches knows which one hangs. */
  | { readonly kind: 'begun'; readonly test: string }
  | { readonly kind: 'loaded'; readonly tests: readonly string[]; readonly passed: readonly number[] }
  | {
      readonly kind: 'surveyed'
      readonly test: string
      readonly name: string
      readonly tookMs: number
      readonly why: string | undefined
      readonly passed: readonly number[]
    }
  | { readonly kind: 'passed' }
  | {
      readonly kind: 'failed'
      readonly test: string
      readonly why: string
      /** The same test passes without the mutant. */
      readonly isSound?: boolean
    }
