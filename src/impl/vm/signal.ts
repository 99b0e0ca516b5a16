/**
 * Signals to a container's init, by its shim: the pid that is known here may be that of a whole machine.
 *
 * Only where the shim is gone is the process itself signalled; a machine only to kill it, whoever asks for that first.
 */
import type { Container } from '../../container.ts'
import { isOciError, OciError } from '../../errors/index.ts'
import { killProcess } from '../process-identity.ts'
import type { EffectOptions, ProcessIdentity } from '../runtime-impl.ts'
import { taskOf } from './adopt.ts'
import { Task } from './messages/generated/task_pb.ts'
import { readOomEvidence } from './oom.ts'
import type { Shim } from './shim/connection.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

const SIGKILL = 9
const killMs = 10_000

/** Throws ERR_NOT_RUNNING when init is gone, ERR_MONITOR_LOST for a signal into a machine without a shim. */
export async function signal(
  world: VmWorld,
  container: Container,
  init: ProcessIdentity,
  signalNumber: number,
  options: EffectOptions,
): Promise<void> {
  const isFirstKill = signalNumber === SIGKILL && !world.oomBeforeKill.has(container.id)
  try {
    await deliver(world, container, init, signalNumber, options)
  } catch (error) {
    // Something else has ended it: the OOM killer, perhaps.
    if (isFirstKill && isOciError(error) && error.code === 'ERR_NOT_RUNNING')
      world.oomBeforeKill.delete(container.id)
    throw error
  }
}

async function deliver(
  world: VmWorld,
  container: Container,
  init: ProcessIdentity,
  signalNumber: number,
  { signal: abort }: EffectOptions,
): Promise<void> {
  const { id } = container
  try {
    const { shim } = await taskOf(world, container, abort)
    if (signalNumber === SIGKILL) noteOomEvidence(world, container, shim)
    const request = { id, signal: signalNumber }
    await shim.call(Task.method.kill, request, { timeoutMs: killMs, signal: abort })
  } catch (error) {
    if (!isOciError(error)) throw error
    if (error.code === 'ERR_UNKNOWN_TO_RUNTIME') throw gone(id, error)
    if (error.code !== 'ERR_MONITOR_LOST') throw error
    const isMachine = (await belowShim(world, await placeOf(world, container))) === undefined
    if (isMachine && signalNumber !== SIGKILL) throw error
    if (!killProcess(init, signalNumber)) throw gone(id, error)
  }
}

/**
 * What the OOM killer did before our first KILL is not what ended the container. Asked for ahead of the KILL and not waited
 * for, since nothing may come between a container and that: our KILL changes nothing of what is read.
 */
function noteOomEvidence(world: VmWorld, container: Container, shim: Shim): void {
  if (world.oomBeforeKill.has(container.id)) return
  const evidence = readOomEvidence(world, container, shim).catch((err: unknown) => {
    world.logger.debug({ containerId: container.id, err }, 'the OOM evidence before a kill cannot be read')
    return undefined
  })
  world.oomBeforeKill.set(container.id, evidence)
}

function gone(containerId: string, cause: OciError): OciError {
  const message = `the process of container ${containerId} is gone`
  return new OciError('ERR_NOT_RUNNING', message, { containerId, cause })
}
