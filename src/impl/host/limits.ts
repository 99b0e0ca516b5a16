/**
 * The limits of a container as its cgroups have them: read to verify what a runtime says it did, and put back when it
 * stopped half-way.
 *
 * Deliberately not here: setting limits, which is the runtime's. What is written here is what the kernel had before.
 */
import { writeFile } from 'node:fs/promises'
import { errnoOf } from '../../errors/index.ts'
import { keyedCounter, parseCounter, type FileTexts, type GroupFile } from './cgroup-stats.ts'
import { type CgroupMount, type CgroupPaths, controllerDirectory, readIfThere } from './cgroups.ts'
import { type Limits, pidsOfKernelMax, unlimited } from '../requests/resources.ts'

const filesOfV1: readonly GroupFile[] = [
  ['memory.limit_in_bytes', 'memory'],
  ['memory.memsw.limit_in_bytes', 'memory'],
  ['memory.soft_limit_in_bytes', 'memory'],
  ['cpu.cfs_period_us', 'cpu'],
  ['cpu.cfs_quota_us', 'cpu'],
  ['cpu.shares', 'cpu'],
  ['cpuset.cpus', 'cpuset'],
  ['cpuset.mems', 'cpuset'],
  ['pids.max', 'pids'],
]

const filesOfV2: readonly GroupFile[] = [
  ['memory.max', 'memory'],
  ['memory.swap.max', 'memory'],
  ['memory.low', 'memory'],
  ['cpu.max', 'cpu'],
  ['cpu.weight', 'cpu'],
  ['cpuset.cpus', 'cpuset'],
  ['cpuset.mems', 'cpuset'],
  ['pids.max', 'pids'],
]

/** The files of the limits as they stood at one moment. */
export interface LimitFiles {
  readonly version: 1 | 2
  readonly limits: Limits
  /** By absolute path. */
  readonly texts: FileTexts
}

/** Empty when the cgroups are gone. Throws ERR_IO. */
export async function readLimits(mounts: readonly CgroupMount[], paths: CgroupPaths): Promise<LimitFiles> {
  const version = controllerDirectory(mounts, paths, 'memory')?.version ?? 2
  const texts = new Map<string, string | undefined>()
  const byName = new Map<string, string | undefined>()
  for (const [name, controller] of version === 1 ? filesOfV1 : filesOfV2) {
    const file = fileOf(mounts, paths, controller, name)
    const text = file === undefined ? undefined : await readIfThere(file)
    if (file !== undefined && text !== undefined) texts.set(file, text)
    byName.set(name, text?.trim())
  }
  return { version, texts, limits: version === 1 ? limitsOfV1(byName) : limitsOfV2(byName) }
}

/** Never a file of the root, whose limits are everybody's. */
function fileOf(
  mounts: readonly CgroupMount[],
  paths: CgroupPaths,
  controller: string,
  name: string,
): string | undefined {
  const found = controllerDirectory(mounts, paths, controller)
  if (found === undefined || paths[found.version === 1 ? controller : ''] === '/') return undefined
  return `${found.directory}/${name}`
}

export function limitsOfV1(texts: FileTexts): Limits {
  return {
    memoryLimitBytes: sizeOf(texts.get('memory.limit_in_bytes')),
    memorySwapBytes: sizeOf(texts.get('memory.memsw.limit_in_bytes')),
    memoryReservationBytes: sizeOf(texts.get('memory.soft_limit_in_bytes')),
    cpuShares: parseCounter(texts.get('cpu.shares')),
    cpuQuotaUs: quotaOf(texts.get('cpu.cfs_quota_us')),
    cpuPeriodUs: parseCounter(texts.get('cpu.cfs_period_us')),
    ...commonLimits(texts),
  }
}

/**
 * Without the CPU's shares and the reservation of memory: how a runtime converts them is its own affair, and has changed.
 */
export function limitsOfV2(texts: FileTexts): Limits {
  const memoryLimitBytes = sizeOf(texts.get('memory.max'))
  const swapAloneBytes = sizeOf(texts.get('memory.swap.max'))
  const [quota, period] = texts.get('cpu.max')?.split(' ') ?? []
  const isOpen = memoryLimitBytes === unlimited || swapAloneBytes === unlimited
  return {
    memoryLimitBytes,
    memorySwapBytes:
      memoryLimitBytes === undefined || swapAloneBytes === undefined
        ? undefined
        : isOpen
          ? unlimited
          : memoryLimitBytes + swapAloneBytes,
    cpuQuotaUs: quotaOf(quota),
    cpuPeriodUs: parseCounter(period),
    ...commonLimits(texts),
  }
}

function commonLimits(texts: FileTexts): Limits {
  const pids = numberOrMax(texts.get('pids.max'))
  return {
    cpus: texts.get('cpuset.cpus') || undefined,
    mems: texts.get('cpuset.mems') || undefined,
    pidsMax: pids !== undefined && pids >= pidsOfKernelMax ? unlimited : pids,
  }
}

/** v1 says "no limit" by a number that is as high as it goes. */
function sizeOf(text: string | undefined): number | undefined {
  const bytes = numberOrMax(text)
  return bytes !== undefined && bytes > Number.MAX_SAFE_INTEGER ? unlimited : bytes
}

function quotaOf(text: string | undefined): number | undefined {
  return text === '-1' ? unlimited : numberOrMax(text)
}

function numberOrMax(text: string | undefined): number | undefined {
  return text === 'max' ? unlimited : parseCounter(text)
}

/** Memory in use: all of it, and what is left when the kernel drops the file cache. Undefined when the group is gone. */
export interface MemoryInUse {
  readonly totalBytes: number
  readonly unreclaimableBytes: number
}

/** Throws ERR_IO. */
export async function readMemoryInUse(
  mounts: readonly CgroupMount[],
  paths: CgroupPaths,
): Promise<MemoryInUse | undefined> {
  const read = async (name: string) => {
    const file = fileOf(mounts, paths, 'memory', name)
    return file === undefined ? undefined : readIfThere(file)
  }
  const current = (await read('memory.current')) ?? (await read('memory.usage_in_bytes'))
  return memoryInUse(current, await read('memory.stat'))
}

/** By memory.current or memory.usage_in_bytes, and memory.stat. */
export function memoryInUse(current: string | undefined, stat: string | undefined): MemoryInUse | undefined {
  const totalBytes = parseCounter(current)
  if (totalBytes === undefined) return undefined
  // The plain names on v2; on v1 they would leave out the groups below. Shared memory is on neither list.
  const cache = ['inactive_file', 'active_file'].map(
    (name) => keyedCounter(stat, `total_${name}`) ?? keyedCounter(stat, name) ?? 0,
  )
  const droppable = [...cache, keyedCounter(stat, 'slab_reclaimable') ?? 0]
  const droppableBytes = droppable.reduce((sum, bytes) => sum + bytes, 0)
  return { totalBytes, unreclaimableBytes: Math.max(0, totalBytes - droppableBytes) }
}

/** Takes the CPU quota away, for runtimes that cannot. Throws ERR_IO's cause, an errno. */
export async function removeQuota(mounts: readonly CgroupMount[], paths: CgroupPaths): Promise<void> {
  const version = controllerDirectory(mounts, paths, 'cpu')?.version
  const [name, text] = version === 1 ? ['cpu.cfs_quota_us', '-1'] : ['cpu.max', 'max']
  const file = fileOf(mounts, paths, 'cpu', name)
  if (file !== undefined) await writeLimit(file, text)
}

/**
 * Puts back what was changed since `before` was read. Resolves with the files that would not take their old text; those
 * of cgroups that are gone are not among them. Throws ERR_IO when they cannot be read.
 */
export async function restoreLimits(before: LimitFiles): Promise<readonly string[]> {
  const failed = await restoreOnce([...before.texts.keys()], before)
  // The limit of memory cannot be above that of memory and swap together, so which is first decides.
  return failed.length === 0 ? failed : restoreOnce(failed, before)
}

async function restoreOnce(files: readonly string[], before: LimitFiles): Promise<readonly string[]> {
  const failed: string[] = []
  for (const file of files) {
    const text = before.texts.get(file)
    const now = await readIfThere(file)
    if (text === undefined || now === undefined || now === text) continue
    try {
      await writeLimit(file, text)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENODEV') failed.push(file)
    }
  }
  return failed
}

/** Opened as it is, never created: the kernel makes these files. */
async function writeLimit(file: string, text: string): Promise<void> {
  await writeFile(file, text === '' ? '\n' : text, { flag: 'r+' })
}
