/**
 * Update: changes the limits of a container that is created, running or paused, by the runtime's `update`.
 *
 * All or nothing. A runtime writes one file of the cgroups after the other and stops at the first that the kernel
 * refuses, with the others changed; and what it cannot set it sometimes leaves out without a word. So the limits are read
 * before and after, and put back when the update failed.
 */
import type { OciLinuxResources } from '../../bundle/oci-spec.ts'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import { writeTextFile } from '../../files.ts'
import { type CgroupPaths, readCgroupPaths } from '../host/cgroups.ts'
import { changeLimits } from '../host/change-limits.ts'
import { removeFile } from '../host/remove-file.ts'
import { runRuntime } from '../host/runtime-command.ts'
import { observeProcess } from '../process-identity.ts'
import { isEmpty, type Limits, requestedLimits, toResources } from '../requests/resources.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { observe } from './observe.ts'
import { assertOwnCgroup } from './own-cgroup.ts'
import { type OciWorld, type Place, placeOf } from './world.ts'

/**
 * Parity: the seed's UpdateContainer. What `resources` does not name stays as it is. ERR_INVALID_ARGUMENT with the field
 * that is malformed or below what is in use, ERR_UNSUPPORTED with the one that cannot be changed, ERR_NOT_RUNNING when
 * the container has ended, ERR_UNKNOWN_TO_RUNTIME; ERR_RUNTIME_FAILED when the runtime refused or did something else.
 * After an error the limits are what they were.
 */
export async function update(
  world: OciWorld,
  container: Container,
  resources: OciLinuxResources,
  options: EffectOptions,
): Promise<void> {
  const requested = requestedLimits(resources)
  const place = await placeOf(world, container)
  const cgroupPaths = await cgroupsOfLiving(world, place, options)
  const setLimits = (limits: Limits) => runUpdate(world, place, limits, options.signal)
  await changeLimits({ world, container, cgroupPaths, setLimits }, requested)
}

/** The runtimes disagree about a container that has ended: runc refuses, crun changes what nobody uses any more. */
async function cgroupsOfLiving(world: OciWorld, place: Place, options: EffectOptions): Promise<CgroupPaths> {
  const { container, paths } = place
  const notes = await world.notebook.read(container, paths.notesFile)
  assertOwnCgroup(container, notes, 'it has no limits to change')
  if (notes?.init !== undefined && !isEmpty(notes.cgroupPaths)) {
    if ((await observeProcess(notes.init)) === 'gone') throw hasEnded(container)
    return notes.cgroupPaths
  }
  const { status, init } = await observe(world, container, options)
  if (status === 'absent') {
    const message = `container ${container.id} is unknown to the runtime`
    throw new OciError('ERR_UNKNOWN_TO_RUNTIME', message, { containerId: container.id })
  }
  if (init === undefined) throw hasEnded(container)
  return readCgroupPaths(init.pid)
}

function hasEnded({ id: containerId }: Container): OciError {
  const message = `container ${containerId} has ended: its limits cannot be changed any more`
  return new OciError('ERR_NOT_RUNNING', message, { containerId })
}

/** By a file: crun cannot read its standard input when that is a socket. */
async function runUpdate(world: OciWorld, place: Place, limits: Limits, signal: AbortSignal): Promise<void> {
  const file = `${place.container.dir}/runtime-oci-update.json`
  try {
    await writeTextFile(file, JSON.stringify(toResources(limits)), { sync: false })
    await runRuntime(world, place, { verb: 'update', flags: ['--resources', file] }, signal)
  } finally {
    await removeFile(file)
  }
}
