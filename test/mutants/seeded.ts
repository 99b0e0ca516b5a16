/**
 * Races and faults by hand, each of a kind that operators on single nodes do not make and that has cost container engines
 * exits, ids or minutes. `npm run mutate` tries them first: all must be caught.
 *
 * Deliberately not here: defects of the machine's definition (test/machines/exhaustive/machine-mutants.ts).
 */

export interface SeededMutant {
  /** What is wrong, as a sentence about it. */
  readonly name: string
  /** What must hold, and does not any more. */
  readonly law: string
  readonly file: string
  readonly find: string
  readonly put: string
  /** The test file that has to notice. */
  readonly by: string
}

export const seededMutants: readonly SeededMutant[] = [
  {
    name: 'the exit file goes before the state that records it is on disk',
    law: 'durable before acknowledged',
    file: 'src/actors/container-disk.ts',
    find: 'if (!this.#exitIsOver || this.#recorder.isBehind) return',
    put: 'if (!this.#exitIsOver) return',
    by: 'test/runtime/durability.test.ts',
  },
  {
    name: 'a caller is told before the state is on disk',
    law: 'durable before acknowledged',
    file: 'src/actors/container.actor.ts',
    find: 'const ready = this.#disk.flush().catch(() => undefined)',
    put: 'const ready = Promise.resolve()',
    by: 'test/runtime/durability.test.ts',
  },
  {
    name: 'what is put while a slow write goes on is taken for written',
    law: 'the latest state reaches the disk',
    file: 'src/actors/state-recorder.ts',
    find: 'Math.max(this.#writtenCount, putCount)',
    put: 'Math.max(this.#writtenCount, this.#putCount)',
    by: 'test/runtime/durability.test.ts',
  },
  {
    name: 'a write that the disk refused is not tried again',
    law: 'the latest state reaches the disk',
    file: 'src/actors/state-recorder.ts',
    find: 'if (!this.#closed && this.#retryTimer === undefined) {',
    put: 'if (this.#failures > 0) {',
    by: 'test/runtime/durability.test.ts',
  },
  {
    name: 'a container is removed from disk while its state is being written',
    law: 'what is deleted does not come back',
    file: 'src/actors/container-disk.ts',
    find: 'await this.#recorder.drop()',
    put: 'void this.#recorder.drop()',
    by: 'test/runtime/durability.test.ts',
  },
  {
    name: 'the evidence of an exit goes while the state on disk says that it lives',
    law: 'durable before acknowledged',
    file: 'src/actors/container-disk.ts',
    find: 'if (!this.#isOutdated) await discard()',
    put: 'await discard()',
    by: 'test/runtime/durability.test.ts',
  },
  {
    name: 'an exit is reported at every look',
    law: 'an exit is told once',
    file: 'src/actors/exit-events.ts',
    find: 'if (this.#removal.isLeftOver(id, reading.version)) return\n    this.#pending.delete(id)',
    put: 'if (this.#removal.isLeftOver(id, reading.version)) return',
    by: 'test/actors/exit-events.test.ts',
  },
  {
    name: 'the file that is being removed is reported for the next run',
    law: 'exits are neither invented nor lost',
    file: 'src/actors/exit-events.ts',
    find: '!this.#removal.isRemoving(expectation.id)',
    put: 'true',
    by: 'test/actors/exit-events.test.ts',
  },
  {
    name: 'the file that could not be removed is reported for the next run',
    law: 'exits are neither invented nor lost',
    file: 'src/actors/exit-events.ts',
    find: 'if (this.#removal.isLeftOver(id, reading.version)) return',
    put: '',
    by: 'test/actors/exit-events.test.ts',
  },
  {
    name: 'what was read before a discard is reported after it',
    law: 'exits are neither invented nor lost',
    file: 'src/actors/exit-events.ts',
    find: "if (!this.#mayReport(expectation) || reading.kind === 'absent') return",
    put: "if (reading.kind === 'absent') return",
    by: 'test/actors/exit-events.test.ts',
  },
  {
    name: 'a queue of inotify that overflows is not made up for by a scan',
    law: 'watching is a hint, the disk is the truth',
    file: 'src/actors/watched-directory.ts',
    find: 'if (name === null || name === ownName) listener.doubt()',
    put: '',
    by: 'test/actors/exit-events-faults.test.ts',
  },
  {
    name: 'an exit file that is only half written is exit 0',
    law: 'exits are neither invented nor lost',
    file: 'src/actors/exit-file.ts',
    find: '[0-9]{1,3}',
    put: '[0-9]{0,3}',
    by: 'test/actors/exit-events.test.ts',
  },
  {
    name: 'the end of a monitor is told before its exit is looked for',
    law: 'the end of a monitor follows every exit',
    file: 'src/actors/process-watch.ts',
    find: 'await exits.scan()',
    put: 'await Promise.resolve()',
    by: 'test/actors/process-watch.test.ts',
  },
  {
    name: 'the end of a monitor is no news while the container is being stopped',
    law: 'nobody waits for ever',
    file: 'src/actors/container.actor.ts',
    find: '!isOver.has(this.#phase) && this.#context',
    put: '!isOver.has(this.#phase) && !isStopping(this.#phase) && this.#context',
    by: 'test/runtime/monitor-policy.test.ts',
  },
  {
    name: 'a living process is over because the runtime has lost its records',
    law: 'an error is no absence',
    file: 'src/actors/look.ts',
    find: 'if (!isOver || scope.init === undefined || !scope.ownsProcess()) return observation',
    put: 'if (!isOver || scope.init !== undefined) return observation',
    by: 'test/runtime/status.test.ts',
  },
  {
    name: 'a process that somebody froze meanwhile is killed and not thawed',
    law: 'every life can end',
    file: 'src/actors/effects.ts',
    find: "if (which === 'kill' && !signal.aborted) await scope.lookAtFreezer()",
    put: '',
    by: 'test/runtime/stops.test.ts',
  },
  {
    name: 'what was seen before a change of phase counts after it',
    law: 'the machine alone knows where it is',
    file: 'src/actors/look.ts',
    find: 'const isCurrent = !signal.aborted && scope.phaseCount === phaseCount',
    put: 'const isCurrent = !signal.aborted',
    by: 'test/runtime/status.test.ts',
  },
  {
    name: 'a stop that a restart resumes has all its time again',
    law: 'a deadline never grows',
    file: 'src/machines/context.ts',
    find: 'atMs + graceMs - elapsedMs',
    put: 'atMs + graceMs',
    by: 'test/runtime/recovery.test.ts',
  },
  {
    name: 'the pids of another boot are believed',
    law: 'a process is its pid and its start time',
    file: 'src/actors/recovery/judge.ts',
    find: 'if (!sight.isSameBoot) return judgeAfterReboot(record, sight)',
    put: '',
    by: 'test/runtime/recovery.test.ts',
  },
  {
    name: 'a pause joins the pause that an unpause follows',
    law: 'commands take effect in their order',
    file: 'src/actors/requests.ts',
    find: 'const last = open.at(-1)',
    put: 'const last = open.find((request) => request.verb === verb)',
    by: 'test/actors/requests.test.ts',
  },
  {
    name: 'what happens while a machine is rebuilt is forgotten',
    law: 'exits are neither invented nor lost',
    file: 'src/actors/living-machine.ts',
    find: 'if (this.#kept.length < keptFactsMax) this.#kept.push(event)',
    put: '',
    by: 'test/runtime/death.test.ts',
  },
  {
    name: 'a command that starts in the last moment is told of after the exit',
    law: 'exec exited precedes the exit',
    file: 'src/actors/container-execs.ts',
    find: 'if (this.#isOver) {',
    put: 'if (this.#running.size > 99) {',
    by: 'test/actors/container-execs.test.ts',
  },
  {
    name: 'a process is believed to be gone where the exits could not be looked for',
    law: 'an error is no absence',
    file: 'src/actors/recovery/settle.ts',
    find: 'if (!seen.has(actor.impl) && verdict.facts.length > 0) throw exitsUnseen(actor)',
    put: '',
    by: 'test/runtime/recovery.test.ts',
  },
]
