/** A phase as a word with its colour. */
import { tone } from './format.ts'

export function PhaseMark({ phase }: { readonly phase: string }) {
  return (
    <span class={`phase ${tone(phase)}`}>
      <i aria-hidden="true" />
      {phase}
    </span>
  )
}
