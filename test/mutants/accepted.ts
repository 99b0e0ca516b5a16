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
  { file: watched, within: 'fail', change: 'listener.failed(cause) → nothing', why: kernel },
  {
    file: 'src/actors/container.actor.ts',
    within: 'succeeded',
    change: 'this.#context.monitorLostAt !== undefined → true',
    why: 'a process that is looked at while its monitor lives ends no sooner and no later for it',
  },
  {
    file: 'src/actors/container.actor.ts',
    within: 'settled',
    change: 'true → false',
    why: 'whoever waits is told by any answer but undefined',
  },
  {
    file: 'src/actors/container.actor.ts',
    within: 'refresh',
    change: 'true → false',
    why: 'whoever waits is told by any answer but undefined',
  },
  {
    file: 'src/actors/exit-file.ts',
    within: 'readHandle',
    change: "'exit' → ''",
    why: 'it tells the compiler what is neither absent nor unreadable',
  },
  {
    file: 'src/actors/living-machine.ts',
    within: 'step',
    change: 'this.#actor?.stop() → this.#actor.stop()',
    why: 'only the compiler does not know that a step has a machine',
  },
  {
    file: 'src/machines/container.setup.ts',
    within: 'containerSetup',
    change: "assertEvent(event, ['container.stop', 'container.delete']) → nothing",
    why: 'it tells the compiler which events there are',
  },
  {
    file: 'src/machines/container.setup.ts',
    within: 'containerSetup',
    change: "assertEvent(event, 'deadline.reached') → nothing",
    why: 'it tells the compiler which events there are',
  },
  {
    file: 'src/machines/container.setup.ts',
    within: 'containerSetup',
    change: "assertEvent(event, 'container.exited') → nothing",
    why: 'it tells the compiler which events there are',
  },
  {
    file: 'src/machines/container.setup.ts',
    within: 'containerSetup',
    change: "assertEvent(event, 'container.create') → nothing",
    why: 'it tells the compiler which events there are',
  },
  {
    file: 'src/machines/container.setup.ts',
    within: 'containerSetup',
    change: 'context.stop?.deadlineMs ?? Number.POSITIVE_INFINITY → Number.POSITIVE_INFINITY',
    why: 'a timer that is set anew to the same instant fires as the one before would have',
  },
  {
    file: 'src/machines/container.setup.ts',
    within: 'containerSetup',
    change: 'stop.deadlineMs >= (context.stop?.deadlineMs ?? Number.POSITIVE_INFINITY) → false',
    why: 'a timer that is set anew to the same instant fires as the one before would have',
  },
]
