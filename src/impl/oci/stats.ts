/**
 * Stats: one sample of what a container uses. Files of the kernel only: no process is started, the runtime is not asked,
 * and a container may be paused or have ended, as long as it is not deleted.
 *
 * Deliberately not here: the formats of the files (cgroup-stats-v1.ts, cgroup-stats-v2.ts, network-bytes.ts).
 */
import { totalmem, uptime } from 'node:os'
import { readBundleSpec } from '../../bundle/bundle.ts'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import type { EffectOptions, ProcessIdentity } from '../runtime-impl.ts'
import type { ContainerStats, PressureStalls } from '../stats-port.ts'
import type { CgroupStats } from './cgroup-stats.ts'
import { cgroupStatsV1, filesOfV1 } from './cgroup-stats-v1.ts'
import { cgroupStatsV2, filesOfV2, parsePressure } from './cgroup-stats-v2.ts'
import { type CgroupMount, type CgroupPaths, controllerDirectory } from './cgroups.ts'
import { readKernelFile } from './kernel-file.ts'
import { readNetworkBytes, type NetworkBytes } from './network-bytes.ts'
import { readProcessIo } from './process-io.ts'
import type { Sampling } from '../sampling.ts'
import { throwIfAborted } from './waiting.ts'
import { placeOf, type OciWorld } from './world.ts'

/** /proc counts in hundredths of a second on every architecture that has containers. */
const nanosPerTick = 10_000_000n
const nanosPerMs = 1_000_000n
const nanosPerSecond = 1e9

/**
 * Parity: the seed's ContainerStats. ERR_NOT_RUNNING when the container has no cgroup: it was never created, is deleted,
 * or has ended and its cgroup manager removed it. ERR_UNSUPPORTED where the host does not count CPU time. ERR_IO.
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

/** What was read of a container, wherever it was read. */
export interface StatsReading extends Group {
  readonly network: NetworkBytes | undefined
  readonly init: ProcessIdentity | undefined
}

/** A sample from a reading. ERR_UNSUPPORTED where nobody counts CPU time. */
export function composeStats(
  sampling: Sampling,
  container: Container,
  reading: StatsReading,
): ContainerStats {
  const { counters, psi, network, init, atNano } = reading
  const { cpuNano, memTotalBytes, inactiveFileBytes = 0, throttling, oomKills, pids, block } = counters
  if (cpuNano === undefined) throw noCpuTime(container, reading.isThere)
  const memUsage = memTotalBytes === undefined ? undefined : Math.max(0, memTotalBytes - inactiveFileBytes)
  const memLimit = Math.min(counters.memLimitBytes ?? Infinity, totalmem())
  const cpuReading = { cpuNano, atNano, ageNano: () => ageOf(init) }
  return {
    container: container.id,
    cpu: sampling.cpuPercent(container.id, cpuReading),
    cpuNano,
    systemNano: BigInt(Date.now()) * nanosPerMs,
    memUsage,
    memLimit,
    memPerc: memUsage === undefined ? undefined : memUsage / memLimit,
    netInput: network?.receivedBytes,
    netOutput: network?.sentBytes,
    blockInput: block?.readBytes,
    blockOutput: block?.writtenBytes,
    pids,
    memTotalBytes,
    throttling,
    oomKills,
    psi,
  }
}

interface Whereabouts {
  readonly cgroupPaths: CgroupPaths
  readonly init: ProcessIdentity | undefined
}

/** As init had them, or as an absolute path in the spec says; a relative one means different things to each runtime. */
async function whereToLook(world: OciWorld, container: Container): Promise<Whereabouts> {
  const { paths } = await placeOf(world, container)
  const notes = await world.notebook.read(container, paths.notesFile)
  if (notes !== undefined && Object.keys(notes.cgroupPaths).length > 0) return notes
  const path = (await readBundleSpec(container)).linux?.cgroupsPath
  if (path?.startsWith('/') !== true) return { cgroupPaths: {}, init: undefined }
  const controllers = ['', ...filesOfV1.map(([, controller]) => controller)]
  return { cgroupPaths: Object.fromEntries(controllers.map((name) => [name, path])), init: undefined }
}

interface Group {
  readonly counters: CgroupStats
  readonly psi: PressureStalls | undefined
  /** False when not one of the files was there. */
  readonly isThere: boolean
  /** When the CPU's counter was read, on the monotonic clock. */
  readonly atNano: bigint
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

function noCpuTime({ id: containerId }: Container, isThere: boolean): OciError {
  const details = { containerId, operation: 'stats' }
  if (isThere)
    return new OciError('ERR_UNSUPPORTED', 'this host has no cgroup that counts CPU time (cpuacct)', details)
  const message = `container ${containerId} has no cgroup: it was not created, is deleted, or has ended`
  return new OciError('ERR_NOT_RUNNING', message, details)
}

/** Nothing when the start is not known, see create.ts. */
function ageOf(init: ProcessIdentity | undefined): bigint {
  if (init === undefined || init.startTicks === '0') return 0n
  return BigInt(Math.round(uptime() * nanosPerSecond)) - BigInt(init.startTicks) * nanosPerTick
}
