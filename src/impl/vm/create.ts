/**
 * Create: checks, then the streams, the shim, and the container in it.
 *
 * The order is what matters: everything that can be refused is refused before anything is touched (preflight.ts); our ends
 * of the FIFOs are open before the shim is told of them, or its create would hang; the notes name the shim before it is
 * asked for a container. What goes wrong is left to `cleanUp`: its callers run it after every failure.
 */
import type { OciSpec } from '../../bundle/oci-spec.ts'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { readRuntimeWords } from '../../errors/runtime-wording.ts'
import { allEnded } from '../all-ended.ts'
import { type CgroupPaths, ownCgroups, readCgroupPaths } from '../host/cgroups.ts'
import { hasOwnPidNamespace } from '../host/pid-namespace.ts'
import { removeFile } from '../host/remove-file.ts'
import { justBefore } from '../host/runtime-command.ts'
import { readProcessStat } from '../process-identity.ts'
import type { Created, CreateOptions, ProcessIdentity } from '../runtime-impl.ts'
import { streamControl, streamsSpec } from './container-streams.ts'
import { forget } from './forget.ts'
import { removeMadeFiles } from './leftovers.ts'
import { packMessage, type PackedAny } from './messages/any.ts'
import { OptionsSchema as RuncOptionsSchema } from './messages/generated/runc-options_pb.ts'
import { OptionsSchema as RuntimeOptionsSchema } from './messages/generated/runtime-options_pb.ts'
import { Task as TaskService } from './messages/generated/task_pb.ts'
import type { VmNotes } from './notes.ts'
import { preflight, type VmPreflight } from './preflight.ts'
import type { Shim } from './shim/connection.ts'
import { moveToShimScope } from './shim/shim-scope.ts'
import { openShimLog, startShim } from './shim/start-shim.ts'
import { makeContainerStreams } from './streams/container-streams.ts'
import type { ContainerStreams } from './streams/streams.ts'
import { holdTask } from './task.ts'
import type { CallOptions } from './ttrpc/client.ts'
import { isRpcError, type RpcError, rpcStatus } from './ttrpc/rpc-error.ts'
import type { VmPlace, VmWorld } from './world.ts'

/** For the word of a shim that was just started. */
const knownMaxMs = 10_000

/** Throws what {@link preflight} throws, what the shim's words mean, ERR_MONITOR_FAILED, ERR_MONITOR_LOST, ERR_TIMEOUT. */
export async function create(world: VmWorld, container: Container, options: CreateOptions): Promise<Created> {
  const work = createOnce(world, container, options)
  world.creating.set(container.id, work)
  try {
    return await work
  } finally {
    if (world.creating.get(container.id) === work) world.creating.delete(container.id)
  }
}

async function createOnce(
  world: VmWorld,
  container: Container,
  { signal, timeoutMs, cgroupParent }: CreateOptions,
): Promise<Created> {
  world.untouched.add(container.id)
  const checked = await preflight(world, container, cgroupParent)
  world.untouched.delete(container.id)
  world.ours.add(container)
  world.oomBeforeKill.delete(container.id)
  world.outOfMemoryMs.delete(container.id)
  world.notebook.forget(container.id)
  // An exit file of an earlier container with this id would end the new one before it is created.
  await allEnded([removeMadeFiles(checked.place.paths), world.exits.discard(container.id)])
  world.exits.expect(container.id)
  try {
    return await createInShim(world, checked, signal, timeoutMs)
  } catch (error) {
    if (!checked.logExists) await removeFile(container.logPath)
    throw error
  }
}

async function createInShim(
  world: VmWorld,
  checked: VmPreflight,
  signal: AbortSignal,
  callerTimeoutMs: number | undefined,
): Promise<Created> {
  const { place, spec } = checked
  const { container, paths, handler } = place
  const endMs = performance.now() + justBefore(callerTimeoutMs ?? handler.containerCreateTimeoutMs)
  const leftMs = (): number => Math.max(1, endMs - performance.now())
  let notes: VmNotes = {
    runtimeRoot: place.runtimeRoot,
    ociRuntimePath: checked.ociRuntimePath,
    cgroupPaths: {},
    ownPidNamespace: hasOwnPidNamespace(spec),
    sharesShim: mayShareShim(spec),
    kernelLogEnd: checked.slice === undefined ? undefined : await world.kernelLog.end(),
  }
  let shim: Shim | undefined
  const streams = await beginOnDisk(world, place, notes, () => shim)
  try {
    const { shimPath } = checked
    shim = await startShim(world, place, { shimPath, streams: streams.paths, signal, leftMs })
    notes = { ...notes, socketPath: shim.socketPath, shim: shim.process }
    await allEnded([
      refuseKnown(world, shim, container, { timeoutMs: Math.min(knownMaxMs, leftMs()), signal }),
      world.notebook.write(container, paths.notesFile, notes),
    ])
    // What it starts is where it is: this comes before the container does.
    if (checked.slice !== undefined) await moveToShimScope(world.scopes, checked.slice, shim, container.id)
    const init = await askToCreate(world, checked, { shim, streams, signal, timeoutMs: leftMs() })
    await noteInit(world, checked, { ...notes, init })
    world.tasks.set(container.id, Promise.resolve(holdTask(world, { container, shim, streams, init })))
    return { init, monitor: shim.process, monitorGone: shim.gone }
  } catch (error) {
    await streams.close()
    if (shim !== undefined) world.shims.leave(shim.socketPath, container.id)
    // It is somebody else's: what we made beside it is all that is ours.
    if (world.untouched.has(container.id)) await forget(world, place)
    throw error
  }
}

/** What a shim that is about to be started needs, and what finds it again if we die meanwhile. */
async function beginOnDisk(
  world: VmWorld,
  place: VmPlace,
  notes: VmNotes,
  shim: () => Shim | undefined,
): Promise<ContainerStreams> {
  const { container, paths } = place
  const streams = makeContainerStreams(
    { logger: world.logger, fifos: world.fifos },
    streamsSpec(world, place),
    streamControl(container, shim),
  )
  try {
    await allEnded([
      streams,
      openShimLog(world, place),
      world.notebook.write(container, paths.notesFile, notes),
    ])
    return await streams
  } catch (error) {
    await (await streams.catch(() => undefined))?.close()
    throw error
  }
}

/** Containers of a pod may be in one shim. By containerd's annotations runc's shim does it, by CRI-O's Kata's. */
function mayShareShim({ annotations = {} }: OciSpec): boolean {
  const groups = [
    'io.containerd.runc.v2.group',
    'io.kubernetes.cri.sandbox-id',
    'io.kubernetes.cri-o.SandboxID',
  ]
  return groups.some((name) => Object.hasOwn(annotations, name))
}

/** The address of a shim depends on the container's id alone: one of another supervisor would have answered. */
async function refuseKnown(
  world: VmWorld,
  shim: Shim,
  { id: containerId }: Container,
  options: CallOptions,
): Promise<void> {
  try {
    await shim.call(TaskService.method.state, { id: containerId }, options)
  } catch (error) {
    if (isRpcError(error, rpcStatus.notFound)) return
    throw error
  }
  world.untouched.add(containerId)
  const message = `a shim has a container ${containerId} already; delete it or take another id`
  throw new OciError('ERR_CONTAINER_EXISTS', message, { containerId, field: 'id' })
}

interface Asking {
  readonly shim: Shim
  readonly streams: ContainerStreams
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

async function askToCreate(
  world: VmWorld,
  checked: VmPreflight,
  { shim, streams, signal, timeoutMs }: Asking,
): Promise<ProcessIdentity> {
  const { container, paths } = checked.place
  const request = {
    id: container.id,
    bundle: paths.bundle,
    terminal: container.terminal,
    ...streams.paths,
    ...shimOptions(world, checked),
  }
  const options = { timeoutMs, signal, tellTimeout: true }
  const { pid } = await shim.call(TaskService.method.create, request, options).catch((error: unknown) => {
    throw isRpcError(error) ? createFailure(error) : error
  })
  // Nobody must ever be led to signal us, or init.
  if (pid > 1 && pid !== process.pid)
    return { pid, startTicks: (await readProcessStat(pid))?.startTicks ?? '0' }
  const message = `the shim says that the process of container ${container.id} is ${pid}`
  throw new OciError('ERR_MONITOR_FAILED', message, { containerId: container.id })
}

/** What has no code of its own is refused by the runtime, as with RuntimeOCI. */
function createFailure(error: RpcError): OciError {
  const { code, field } = readRuntimeWords(error.words)
  if (error.code === 'ERR_RUNTIME_FAILED')
    return new OciError('ERR_CREATE_FAILED', error.message, { cause: error })
  return code === undefined || field === undefined
    ? error
    : new OciError(code, error.message, { field, cause: error })
}

/** runc's shim and others take options of different types, and refuse each other's. */
function shimOptions(
  { config }: VmWorld,
  { place, ociRuntimePath }: VmPreflight,
): { options?: PackedAny & { readonly $typeName: 'google.protobuf.Any' } } {
  const { runtimeConfigPath } = place.handler
  const packed =
    runtimeConfigPath !== undefined
      ? packMessage(RuntimeOptionsSchema, { configPath: runtimeConfigPath })
      : ociRuntimePath === undefined
        ? undefined
        : packMessage(RuncOptionsSchema, {
            binaryName: ociRuntimePath,
            root: place.runtimeRoot,
            noPivotRoot: config.noPivot,
            systemdCgroup: config.cgroupManager === 'systemd',
          })
  return packed === undefined ? {} : { options: { $typeName: 'google.protobuf.Any', ...packed } }
}

async function groupsOf({
  init,
  shim,
}: Pick<VmNotes, 'shim'> & { readonly init: ProcessIdentity }): Promise<CgroupPaths> {
  const ofShim = shim === undefined ? {} : await readCgroupPaths(shim.pid)
  return ownCgroups(await readCgroupPaths(init.pid), ofShim)
}

async function noteInit(
  world: VmWorld,
  { place: { container, paths } }: VmPreflight,
  notes: VmNotes & { readonly init: ProcessIdentity },
): Promise<void> {
  try {
    // Where an OCI runtime made the container its groups are this host's, and the pid is of a process in them.
    const cgroupPaths = notes.ociRuntimePath === undefined ? {} : await groupsOf(notes)
    await world.notebook.write(container, paths.notesFile, { ...notes, cgroupPaths })
  } catch (error) {
    // They help after a restart only. A full disk is no reason to give up a container that stands.
    world.logger.warn({ containerId: container.id, err: error }, 'the notes on a container cannot be written')
  }
}
