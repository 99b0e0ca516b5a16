/**
 * Signals to a container's init, by its shim: the pid that is known here may be that of a whole machine.
 *
 * Only where the shim does not do it is the process itself signalled; a machine only to kill it, whoever asks for that first.
 */
import type { Container } from '../../container.ts'
import { isOciError, OciError, toOciError } from '../../errors/index.ts'
import { within } from '../launcher/deadlines.ts'
import { killProcess, schedulingState } from '../process-identity.ts'
import type { EffectOptions, ProcessIdentity } from '../runtime-impl.ts'
import { processEnds } from '../host/process-end.ts'
import { taskOf } from './adopt.ts'
import { Task } from './messages/generated/task_pb.ts'
import type { VmNotes } from './notes.ts'
import { readOomEvidence } from './oom.ts'
import type { Shim } from './shim/connection.ts'
import { belowShim, placeOf, type VmPlace, type VmWorld } from './world.ts'

const SIGKILL = 9
/** For an answer: after that a process of this host is killed without the shim. */
const killMs = 2000
/** The same for a machine, and for other signals, which nobody else delivers. Callers have a limit of some seconds more. */
const answerMs = 8000
/** What a killed process has to end before its mute shim is suspected of keeping it. */
const lingerMs = 3000

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

/**
 * A shim that does not know the container, or says that it has ended, goes by what it believes and what its runtime finds on
 * disk. So it is believed of machines alone, which nobody else can look into.
 */
async function deliver(
  world: VmWorld,
  container: Container,
  init: ProcessIdentity,
  signalNumber: number,
  { signal: abort }: EffectOptions,
): Promise<void> {
  const { id } = container
  const isKill = signalNumber === SIGKILL
  const place = await placeOf(world, container)
  const isOfHost = (await belowShim(world, place)) !== undefined
  const failure = await ask(world, container, signalNumber, isKill && isOfHost ? killMs : answerMs, abort)
  if (failure === undefined) return
  const isUnheard = failure.code === 'ERR_MONITOR_LOST'
  const isDenied = failure.code === 'ERR_UNKNOWN_TO_RUNTIME' || failure.code === 'ERR_NOT_RUNNING'
  const mayKill = isKill && (isOfHost || isUnheard || (await isAlone(world, place, failure)))
  if (mayKill || (isOfHost && (isUnheard || isDenied))) {
    if (!killProcess(init, signalNumber)) throw gone(id, failure)
    if (isKill && isOfHost && failure.code === 'ERR_TIMEOUT') await endMuteShim(world, place, init, abort)
  } else throw failure.code === 'ERR_UNKNOWN_TO_RUNTIME' ? gone(id, failure) : failure
}

/** Undefined when the shim has done it. */
async function ask(
  world: VmWorld,
  container: Container,
  signalNumber: number,
  limitMs: number,
  abort: AbortSignal,
): Promise<OciError | undefined> {
  const { id } = container
  const asking = async (): Promise<true> => {
    const { shim } = await taskOf(world, container, abort)
    if (signalNumber === SIGKILL) noteOomEvidence(world, container, shim)
    const request = { id, signal: signalNumber }
    await shim.call(Task.method.kill, request, { timeoutMs: limitMs, signal: abort })
    return true
  }
  const asked = asking().catch((error: unknown) => toOciError(error, 'ERR_INTERNAL'))
  const answer = await within(asked, limitMs)
  if (answer === true) return undefined
  const message = `the shim of container ${id} has not answered within ${limitMs} ms`
  return answer ?? new OciError('ERR_TIMEOUT', message, { containerId: id })
}

/**
 * The kernel lets the init of a pid namespace go once all in it are reaped, and a command's parent is the shim: one that does
 * not reap keeps a killed init. So one that is stopped is killed as well, unless others are in it. One that is only slow is
 * left: it is going to tell the exit.
 */
async function endMuteShim(
  world: VmWorld,
  place: VmPlace,
  init: ProcessIdentity,
  abort: AbortSignal,
): Promise<void> {
  const { container, paths } = place
  if (await processEnds(init, lingerMs, abort)) return
  const notes = await world.notebook.read(container, paths.notesFile)
  if (notes?.shim === undefined || isShared(world, container, notes)) return
  if (!'Tt'.includes(schedulingState(notes.shim) ?? ' ')) return
  world.logger.warn({ containerId: container.id, pid: notes.shim.pid }, 'a shim that is stopped is killed')
  killProcess(notes.shim, SIGKILL)
}

function isShared(world: VmWorld, { id }: Container, { sharesShim, socketPath }: VmNotes): boolean {
  return sharesShim || (socketPath !== undefined && world.shims.othersAt(socketPath, id) > 0)
}

/** A machine of one container whose shim is mute, or has forgotten it: KILL is for the machine. */
async function isAlone(world: VmWorld, { container, paths }: VmPlace, failure: OciError): Promise<boolean> {
  if (failure.code !== 'ERR_UNKNOWN_TO_RUNTIME' && failure.code !== 'ERR_TIMEOUT') return false
  const notes = await world.notebook.read(container, paths.notesFile)
  return notes !== undefined && !isShared(world, container, notes)
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
