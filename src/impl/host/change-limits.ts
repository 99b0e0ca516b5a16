/**
 * Changing the limits of a container whose cgroups are on this host, all or nothing.
 *
 * A runtime writes one file of the cgroups after the other and stops at the first that the kernel refuses, with the others
 * changed; and what it cannot set it sometimes leaves out without a word. So the limits are read before and after, and put
 * back when the update failed.
 */
import type { Container } from '../../container.ts'
import { inContext, isOciError, OciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import type { HostWorld } from './world.ts'
import {
  belowUse,
  checkOnline,
  isEmpty,
  type Limits,
  parseNumberList,
  pidsOfKernelMax,
  unlimited,
  withWhatStays,
} from '../requests/resources.ts'
import { type CgroupPaths, readIfThere } from './cgroups.ts'
import { type LimitFiles, readLimits, readMemoryInUse, removeQuota, restoreLimits } from './limits.ts'

/** How limits are changed in the cgroups of a container on this host. */
export interface LimitChange {
  readonly world: Pick<HostWorld, 'cgroupMounts' | 'logger'>
  readonly container: Container
  readonly cgroupPaths: CgroupPaths
  /** Has the runtime set limits, none of which is left out silently. Its refusal is ERR_RUNTIME_FAILED. */
  readonly setLimits: (limits: Limits) => Promise<void>
}

/** One update under way. */
interface Work extends LimitChange {
  readonly wanted: Limits
  readonly before: LimitFiles
}

/**
 * All or nothing, and seen to be done. ERR_INVALID_ARGUMENT with the field that is below what is in use,
 * ERR_UNSUPPORTED with the one that cannot be changed, ERR_RUNTIME_FAILED; after an error the limits are what they were.
 */
export async function changeLimits(change: LimitChange, requested: Limits): Promise<void> {
  const { world, cgroupPaths } = change
  if (isEmpty(requested)) return
  await refuseOffline('cpu.cpus', requested.cpus, '/sys/devices/system/cpu/online')
  await refuseOffline('cpu.mems', requested.mems, '/sys/devices/system/node/online')
  const before = await readLimits(await world.cgroupMounts(), cgroupPaths)
  const wanted = withWhatStays(requested, before.limits)
  const work: Work = { ...change, wanted, before }
  await refuseBelowUse(work)
  try {
    await apply(work)
    await verify(work)
  } catch (error) {
    const reason = await explained(work, error)
    await putBack(work)
    throw reason
  }
}

async function refuseOffline(field: string, list: string | undefined, file: string): Promise<void> {
  if (list !== undefined) checkOnline(field, list, (await readIfThere(file))?.trim() ?? '')
}

/**
 * cgroup v1 refuses a limit that it cannot reach by dropping caches. v2 takes it and lets the OOM killer reach it, so
 * that must not come to pass. Where there is swap this refuses a little more than it had to.
 */
async function refuseBelowUse({ world, container, cgroupPaths, wanted, before }: Work): Promise<void> {
  const { memoryLimitBytes } = wanted
  if (before.version === 1 || memoryLimitBytes === undefined || memoryLimitBytes === unlimited) return
  const inUse = await readMemoryInUse(await world.cgroupMounts(), cgroupPaths)
  if (inUse === undefined || memoryLimitBytes >= inUse.unreclaimableBytes) return
  const error = belowUse(memoryLimitBytes, inUse.unreclaimableBytes)
  throw inContext(error, { containerId: container.id })
}

/**
 * crun before 1.9 passes -1 on to files that do not take it: cgroup v1 refuses, and on v2 crun then leaves the quota as it
 * was without a word. Which runtime does is not ours to know, so the words that they all understand come only after that.
 */
async function apply(work: Work): Promise<void> {
  const { wanted, world, cgroupPaths } = work
  const { cpuQuotaUs, pidsMax, ...rest } = wanted
  const quotaGoes = cpuQuotaUs === unlimited
  try {
    await setIfAny(work, wanted)
  } catch (error) {
    if (!isRuntimeFailure(error) || (!quotaGoes && pidsMax !== unlimited)) throw error
    await setIfAny(work, {
      ...rest,
      ...(quotaGoes || cpuQuotaUs === undefined ? {} : { cpuQuotaUs }),
      ...(pidsMax === undefined ? {} : { pidsMax: pidsMax === unlimited ? pidsOfKernelMax : pidsMax }),
    })
  }
  if (!quotaGoes) return
  const mounts = await world.cgroupMounts()
  const { limits } = await readLimits(mounts, cgroupPaths)
  if (limits.cpuQuotaUs !== undefined && limits.cpuQuotaUs !== unlimited)
    await removeQuota(mounts, cgroupPaths)
}

async function setIfAny({ setLimits }: Work, limits: Limits): Promise<void> {
  if (!isEmpty(limits)) await setLimits(limits)
}

async function verify({ world, container, cgroupPaths, wanted }: Work): Promise<void> {
  const { limits } = await readLimits(await world.cgroupMounts(), cgroupPaths)
  const wrong = differences(wanted, limits)
  if (wrong.length === 0) return
  const { id: containerId } = container
  const message = `the runtime reported success for the update of container ${containerId}, but ${wrong.join(', ')}`
  throw new OciError('ERR_RUNTIME_FAILED', message, { containerId })
}

/** The kernel rounds sizes down to its pages, which have up to 64 KiB. */
const roundingMaxBytes = 65_536

/** What is not as it was wanted, in words. What cannot be read does not count. */
export function differences(wanted: Limits, now: Limits): readonly string[] {
  const numbers = (
    [
      ['memory.limit', wanted.memoryLimitBytes, now.memoryLimitBytes, roundingMaxBytes],
      ['memory.reservation', wanted.memoryReservationBytes, now.memoryReservationBytes, roundingMaxBytes],
      ['memory.swap', wanted.memorySwapBytes, now.memorySwapBytes, 2 * roundingMaxBytes],
      ['cpu.shares', wanted.cpuShares, now.cpuShares, 1],
      ['cpu.quota', wanted.cpuQuotaUs, now.cpuQuotaUs, 1],
      ['cpu.period', wanted.cpuPeriodUs, now.cpuPeriodUs, 1],
      ['pids.limit', pidsOf(wanted), pidsOf(now), 1],
    ] as const
  )
    .filter(([, want, is, lessThan]) => isOther(want, is, lessThan))
    .map(([field, want, is]) => `${field} is ${is} and not ${want}`)
  const lists = (
    [
      ['cpu.cpus', wanted.cpus, now.cpus],
      ['cpu.mems', wanted.mems, now.mems],
    ] as const
  )
    .filter(([, want, is]) => want !== undefined && is !== undefined && numbersOf(want) !== numbersOf(is))
    .map(([field, want, is]) => `${field} is ${is} and not ${want}`)
  return [...numbers, ...lists]
}

function isOther(want: number | undefined, is: number | undefined, lessThan: number): boolean {
  if (want === undefined || is === undefined || want === is) return false
  return want === unlimited || is === unlimited || Math.abs(want - is) >= lessThan
}

function pidsOf({ pidsMax }: Limits): number | undefined {
  return pidsMax === pidsOfKernelMax ? unlimited : pidsMax
}

function numbersOf(list: string): string {
  return parseNumberList(list)?.join(',') ?? list
}

/** A refusal is decided by looking: a limit below what is in use is the caller's mistake, whatever the runtime calls it. */
async function explained({ world, cgroupPaths, wanted, container }: Work, error: unknown): Promise<unknown> {
  const { memoryLimitBytes } = wanted
  if (!isRuntimeFailure(error)) return asOciError(error)
  if (memoryLimitBytes === undefined || memoryLimitBytes === unlimited) return error
  const inUse = await readMemoryInUse(await world.cgroupMounts(), cgroupPaths).catch((second: unknown) => {
    world.logger.debug({ containerId: container.id, err: second }, 'memory in use cannot be read')
    return undefined
  })
  if (inUse === undefined || memoryLimitBytes >= inUse.totalBytes) return error
  const { message, field } = belowUse(memoryLimitBytes, inUse.totalBytes)
  const containerId = container.id
  const { command } = error
  return new OciError('ERR_INVALID_ARGUMENT', message, {
    containerId,
    field,
    command,
    cause: error,
  })
}

function isRuntimeFailure(error: unknown): error is OciError {
  return isOciError(error) && error.code === 'ERR_RUNTIME_FAILED'
}

function asOciError(error: unknown): OciError {
  return isOciError(error) ? error : ioError('change', 'the limits of a container', error)
}

async function putBack({ world, container, before }: Work): Promise<void> {
  const { id: containerId } = container
  try {
    const files = await restoreLimits(before)
    if (files.length === 0) return
    world.logger.warn({ containerId, files }, 'limits that a failed update changed cannot be put back')
  } catch (error) {
    world.logger.warn({ containerId, err: error }, 'limits that a failed update changed cannot be put back')
  }
}
