/**
 * Stats: one sample of what a container uses. Files of the kernel only: no process is started, the runtime is not asked,
 * and a container may be paused or have ended, as long as it is not deleted.
 *
 * Deliberately not here: the formats of the files (cgroup-stats-v1.ts, cgroup-stats-v2.ts, network-bytes.ts).
 */
import { readBundleSpec } from '../../bundle/bundle.ts'
import type { Container } from '../../container.ts'
import { cgroupStatsV1, filesOfV1 } from '../host/cgroup-stats-v1.ts'
import { cgroupStatsV2, filesOfV2, parsePressure } from '../host/cgroup-stats-v2.ts'
import type { CgroupStats } from '../host/cgroup-stats.ts'
import { type CgroupMount, type CgroupPaths, controllerDirectory } from '../host/cgroups.ts'
import { composeStats, type Group } from '../host/compose-stats.ts'
import { readKernelFile } from '../host/kernel-file.ts'
import { readNetworkBytes } from '../host/network-bytes.ts'
import { readProcessIo } from '../host/process-io.ts'
import { throwIfAborted } from '../host/waiting.ts'
import type { EffectOptions, ProcessIdentity } from '../runtime-impl.ts'
import type { ContainerStats, PressureStalls } from '../stats-port.ts'
import { assertOwnCgroup } from './own-cgroup.ts'
import { type OciWorld, placeOf } from './world.ts'

/**
 * Parity: the seed's ContainerStats. ERR_NOT_RUNNING when the container has no cgroup: it was never created, is deleted,
 * or has ended and its cgroup manager removed it. ERR_UNSUPPORTED where the host does not count CPU time, or the container
 * has no cgroup of its own. ERR_IO.
 */
export async function stats(
  world: OciWorld,
  container: Container,
  { signal }: EffectOptions,
): Promise<ContainerStats> {
  return world.sampling.inTurn(async () => {
    throwIfAborted(signal)
    return sample(world, container)
  })
}

async function sample(world: OciWorld, container: Container): Promise<ContainerStats> {
  const { cgroupPaths, init } = await whereToLook(world, container)
  const group = await readGroup(await world.cgroupMounts(), cgroupPaths)
  const network = init === undefined ? undefined : await readNetworkBytes(init)
  return composeStats(world.sampling, container, { ...group, network, init })
}

interface Whereabouts {
  readonly cgroupPaths: CgroupPaths
  readonly init: ProcessIdentity | undefined
}

/** As init had them, or as an absolute path in the spec says; a relative one means different things to each runtime. */
async function whereToLook(world: OciWorld, container: Container): Promise<Whereabouts> {
  const { paths } = await placeOf(world, container)
  const notes = await world.notebook.read(container, paths.notesFile)
  assertOwnCgroup(container, notes, 'nothing counts what it alone uses')
  if (notes !== undefined && Object.keys(notes.cgroupPaths).length > 0) return notes
  const path = (await readBundleSpec(container)).linux?.cgroupsPath
  if (path?.startsWith('/') !== true) return { cgroupPaths: {}, init: undefined }
  const controllers = ['', ...filesOfV1.map(([, controller]) => controller)]
  return { cgroupPaths: Object.fromEntries(controllers.map((name) => [name, path])), init: undefined }
}

/** One file after the other: how many are read at once is the sampling's to say. */
async function readGroup(mounts: readonly CgroupMount[], paths: CgroupPaths): Promise<Group> {
  const isV2 = controllerDirectory(mounts, paths, 'cpuacct')?.version === 2
  const texts = new Map<string, string | undefined>()
  let atNano = 0n
  for (const [name, controller] of isV2 ? filesOfV2 : filesOfV1) {
    const directory = directoryOf(mounts, paths, controller)
    texts.set(name, directory === undefined ? undefined : await readKernelFile(`${directory}/${name}`))
    if (texts.size === 1) atNano = process.hrtime.bigint()
  }
  const isThere = [...texts.values()].some((text) => text !== undefined)
  const counters = isV2
    ? cgroupStatsV2(texts)
    : await withProcessIo(cgroupStatsV1(texts), directoryOf(mounts, paths, 'pids'))
  return { counters, psi: await readPressure(directoryOf(mounts, paths, '')), isThere, atNano }
}

async function withProcessIo(counters: CgroupStats, directory: string | undefined): Promise<CgroupStats> {
  if (counters.block !== undefined || directory === undefined) return counters
  return { ...counters, block: await readProcessIo(directory) }
}

/** The root is everybody's group: a container that is in it has none of its own in that hierarchy. */
function directoryOf(
  mounts: readonly CgroupMount[],
  paths: CgroupPaths,
  controller: string,
): string | undefined {
  if (paths[controller] === '/') return undefined
  return controllerDirectory(mounts, paths, controller)?.directory
}

async function readPressure(directory: string | undefined): Promise<PressureStalls | undefined> {
  if (directory === undefined) return undefined
  const cpu = parsePressure(await readKernelFile(`${directory}/cpu.pressure`))
  // A kernel has all three or none.
  if (cpu === undefined) return undefined
  return {
    cpu,
    memory: parsePressure(await readKernelFile(`${directory}/memory.pressure`)),
    io: parsePressure(await readKernelFile(`${directory}/io.pressure`)),
  }
}
