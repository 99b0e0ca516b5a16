/** The whole stack: all its containers side by side on one runtime, with their events shown as they happen. */
import type { Runtime } from 'oci-supervisor'
import { canLimitMemory, type RuntimeChoice } from './host.ts'
import type { Member } from './member.ts'
import { judge, type Outcome, type Result } from './outcome.ts'
import { supervise } from './supervise.ts'
import type { View } from './view.ts'

export interface Orchestration {
  readonly runtime: Runtime
  readonly choice: RuntimeChoice
  readonly members: readonly Member[]
  readonly view: View
  /** Aborted: stop everything. */
  readonly stop: AbortSignal
  /** Containers that have ended are kept until `stop` is aborted. */
  readonly stay: boolean
}

/** Takes all containers through their lives, then closes the runtime. What came of each is in the result. */
export async function orchestrate(orchestration: Orchestration): Promise<readonly Result[]> {
  const { members, runtime, view } = orchestration
  const showing = showEvents(runtime, view)
  const running = members.map((member) => run(member, orchestration))
  // Settled, not all: to leave because one failed would be to leave the containers of the others behind.
  // Closing the runtime ends the events.
  const closing = Promise.allSettled(running).then(() => runtime.close())
  await Promise.all([closing, showing])
  return Promise.all(running)
}

async function showEvents(runtime: Runtime, view: View): Promise<void> {
  for await (const event of runtime.events()) {
    // `dropped` comes to those who read too slowly; the containers' own states are the truth then.
    if (event.type !== 'dropped') view.event(event)
  }
}

async function run(member: Member, { runtime, choice, view, stop, stay }: Orchestration): Promise<Result> {
  const result = judge(member, await outcomeOf(member))
  view.ended(result)
  return result

  async function outcomeOf({ entry }: Member): Promise<Outcome> {
    const hasRealLimit = choice.kind === 'real' && entry.memoryLimitBytes !== undefined
    if (hasRealLimit && !(await canLimitMemory())) {
      return { kind: 'notTried', why: 'host has no memory controller' }
    }
    return supervise(runtime, member, { stop, stay })
  }
}
