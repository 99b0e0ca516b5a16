/**
 * What a restart of the supervisor asks of RuntimeVM: that its containers are taken up at once, since nobody else reads
 * what they write or hears how they end; how those ended that did meanwhile; and that nothing of the old one stays.
 */
import type { Container } from '../../container.ts'
import { isOciError } from '../../errors/index.ts'
import { timestampFromNs } from '../../timestamp.ts'
import { abandonedHomes, removeHome } from '../host/exec-home.ts'
import { removeExitTemporaries } from '../host/monitor-temporaries.ts'
import type { ExitFact, Provenance } from '../runtime-impl.ts'
import { taskOf } from './adopt.ts'
import { exitCodeOf } from './exits.ts'
import { endLeftExecs } from './left-execs.ts'
import { Task } from './messages/generated/task_pb.ts'
import { nanosOf } from './messages/instant.ts'
import { vmDirectory } from './paths.ts'
import type { VmWorld } from './world.ts'

const stateMs = 5000
const statusStopped = 3

/** Does not wait for it: verbs do, and an exit is told of by itself. */
export function adoptContainer(world: VmWorld, container: Container, provenance: Provenance): void {
  world.adopted.set(container, provenance)
  // What bears its id otherwise may be a stranger.
  if (provenance.wasCreated) void takeUp(world, container)
}

async function takeUp(world: VmWorld, container: Container): Promise<void> {
  try {
    await taskOf(world, container)
  } catch (err) {
    // Whoever asks for it next hears of it again.
    world.logger.debug({ containerId: container.id, err }, 'a container was not taken up')
  }
}

/** What its shim says of a container that has ended. Undefined when it does not, or when there is none. */
export async function unreportedExit(
  world: VmWorld,
  container: Container,
): Promise<Omit<ExitFact, 'id'> | undefined> {
  try {
    const { shim } = await taskOf(world, container)
    const state = await shim.call(Task.method.state, { id: container.id }, { timeoutMs: stateMs })
    const exitedAtNs = nanosOf(state.exitedAt)
    if (state.status !== statusStopped || exitedAtNs === undefined) return undefined
    return { code: exitCodeOf(state.exitStatus), finished: timestampFromNs(exitedAtNs) }
  } catch (error) {
    if (isOciError(error) && ['ERR_MONITOR_LOST', 'ERR_UNKNOWN_TO_RUNTIME'].includes(error.code))
      return undefined
    throw error
  }
}

/** `ids`: containers that are over. Throws ERR_IO. */
export async function tidy(world: VmWorld, ids: ReadonlySet<string>): Promise<void> {
  await removeExitTemporaries(world.config.containerExitsDir, ids)
  for (const home of await abandonedHomes(vmDirectory(world.config.runDir))) {
    await endLeftExecs(world, home)
    await removeHome(home)
  }
}
