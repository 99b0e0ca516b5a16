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

const watched = 'src/actors/watched-directory.ts'
const kernel =
  'no test can have the kernel break a watch; what follows is tested with watches that a test breaks'

export const accepted: readonly Accepted[] = [
  { file: watched, within: 'closed', change: 'false → true', why: kernel },
  { file: watched, within: 'fail', change: 'listener.failed(cause) → nothing', why: kernel },
  {
    file: watched,
    within: 'close',
    change: 'closed = true → nothing',
    why: 'the directory takes no notice of a watch that it has closed itself',
  },
  {
    file: 'src/actors/container.actor.ts',
    within: 'succeeded',
    change: 'this.#context.monitorLostAt !== undefined → true',
    why: 'a process that is looked at while its monitor lives ends no sooner and no later for it',
  },
]
