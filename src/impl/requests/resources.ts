/**
 * The limits that an update may change: what a request must look like, and what of the present limits belongs to it.
 *
 * The kernel and the runtimes each refuse some nonsense, clamp some, and silently drop the rest (a limit of 0, a resource
 * that `update` does not know). So all of it is refused here, before anything is touched. Pure.
 */
import { OciError } from '../../errors/index.ts'
import type { OciInteger, OciLinuxResources } from '../../bundle/oci-spec.ts'

/** Limits of a container, those that are there. A number of -1 means that there is no limit. */
export interface Limits {
  readonly memoryLimitBytes?: number | undefined
  readonly memoryReservationBytes?: number | undefined
  /** Memory and swap together, as in the OCI specification. */
  readonly memorySwapBytes?: number | undefined
  readonly cpuShares?: number | undefined
  readonly cpuQuotaUs?: number | undefined
  readonly cpuPeriodUs?: number | undefined
  readonly cpus?: string | undefined
  readonly mems?: string | undefined
  readonly pidsMax?: number | undefined
}

export const unlimited = -1
/** The kernel's own limit of pids, so a limit of as many is none. */
export const pidsOfKernelMax = 4_194_304
/** As the kernel has them. */
const quotaMinUs = 1000
const quotaMaxUs = 2 ** 44 - 1
const periodMinUs = 1000
const periodMaxUs = 1_000_000
const sharesMin = 2
const sharesMax = 262_144
/** Linux is built for at most this many CPUs, and for fewer memory nodes. */
const cpuNumbersMax = 8192
/** Of memory: 8 PiB. */
const sizeMaxBytes = Number.MAX_SAFE_INTEGER

/** What may be asked for, by its place in the OCI specification. */
const checks: Readonly<Record<string, Readonly<Record<string, (field: string, value: unknown) => void>>>> = {
  memory: { limit: checkSize, reservation: checkSize, swap: checkSize },
  cpu: { shares: checkShares, quota: checkQuota, period: checkPeriod, cpus: checkList, mems: checkList },
  pids: { limit: checkPids },
}

/**
 * The limits that `resources` asks for. ERR_INVALID_ARGUMENT with the field that is malformed (`memory.limit`),
 * ERR_UNSUPPORTED with the field that an update cannot change.
 */
export function requestedLimits(resources: OciLinuxResources): Limits {
  for (const [group, values] of entriesOf('resources', resources)) {
    const known = ownOf(checks, group)
    if (known === undefined) throw unsupported(group)
    for (const [name, value] of entriesOf(group, values)) {
      const check = ownOf(known, name)
      if (check === undefined) throw unsupported(`${group}.${name}`)
      check(`${group}.${name}`, value)
    }
  }
  const limits = limitsOf(resources)
  checkSwap(limits.memoryLimitBytes, limits.memorySwapBytes)
  return present(limits)
}

/** The limits in the resources of a specification. */
function limitsOf({ memory = {}, cpu = {}, pids }: OciLinuxResources): Limits {
  return {
    memoryLimitBytes: numberOf(memory.limit),
    memoryReservationBytes: numberOf(memory.reservation),
    memorySwapBytes: numberOf(memory.swap),
    cpuShares: numberOf(cpu.shares),
    cpuQuotaUs: numberOf(cpu.quota),
    cpuPeriodUs: numberOf(cpu.period),
    cpus: cpu.cpus,
    mems: cpu.mems,
    pidsMax: numberOf(pids?.limit),
  }
}

/** Not exact beyond 2⁵³, where no limit is that could be set. */
function numberOf(value: OciInteger | undefined): number | undefined {
  return typeof value === 'bigint' ? Number(value) : value
}

/**
 * The request, and of the present limits what has to be said again so that it stays. `memory.swap` counts memory and swap
 * together: with a new limit, how much swap is allowed beside it stays the same. The quota and the period of the CPU are
 * one file on cgroup v2, and a runtime that is told one of them resets the other.
 */
export function withWhatStays(wanted: Limits, now: Limits): Limits {
  const { memoryLimitBytes, memorySwapBytes, cpuQuotaUs, cpuPeriodUs } = wanted
  const swap = memoryLimitBytes === undefined ? undefined : swapBeside(memoryLimitBytes, now)
  const hasQuota = now.cpuQuotaUs !== undefined && now.cpuQuotaUs !== unlimited
  return present({
    ...wanted,
    memorySwapBytes: memorySwapBytes ?? swap,
    cpuQuotaUs: cpuQuotaUs ?? (cpuPeriodUs !== undefined && hasQuota ? now.cpuQuotaUs : undefined),
    cpuPeriodUs:
      cpuPeriodUs ?? (cpuQuotaUs !== undefined && cpuQuotaUs !== unlimited ? now.cpuPeriodUs : undefined),
  })
}

function swapBeside(limitBytes: number, now: Limits): number | undefined {
  const { memorySwapBytes: swapBytes, memoryLimitBytes: oldBytes } = now
  if (swapBytes === undefined || swapBytes === unlimited) return undefined
  if (limitBytes === unlimited) return unlimited
  if (oldBytes === undefined || oldBytes === unlimited) return undefined
  return limitBytes + Math.max(0, swapBytes - oldBytes)
}

/** As the OCI specification has them, for JSON. */
export function toResources(limits: Limits): OciLinuxResources {
  const memory = present({
    limit: limits.memoryLimitBytes,
    reservation: limits.memoryReservationBytes,
    swap: limits.memorySwapBytes,
  })
  const cpu = present({
    shares: limits.cpuShares,
    quota: limits.cpuQuotaUs,
    period: limits.cpuPeriodUs,
    cpus: limits.cpus,
    mems: limits.mems,
  })
  return {
    ...(isEmpty(memory) ? {} : { memory }),
    ...(isEmpty(cpu) ? {} : { cpu }),
    ...(limits.pidsMax === undefined ? {} : { pids: { limit: limits.pidsMax } }),
  }
}

/** The numbers in a list such as `0-2,5`, in order and each once; undefined when it is none. */
export function parseNumberList(text: string): readonly number[] | undefined {
  if (!/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) return undefined
  const numbers = new Set<number>()
  for (const part of text.split(',')) {
    const [first = 0, last = first] = part.split('-').map(Number)
    if (last < first || last >= cpuNumbersMax) return undefined
    for (let number = first; number <= last; number += 1) numbers.add(number)
  }
  return [...numbers].toSorted((a, b) => a - b)
}

/** ERR_INVALID_ARGUMENT when `list` has what is not in `online`. A host that does not say lets the kernel decide. */
export function checkOnline(field: string, list: string, online: string): void {
  const there = new Set(parseNumberList(online))
  if (there.size === 0 || parseNumberList(list)?.every((number) => there.has(number)) === true) return
  throw invalid(field, list, `must be among ${online}, which this host has`)
}

/** ERR_INVALID_ARGUMENT for a memory limit that the kernel would have to kill for. */
export function belowUse(limitBytes: number, inUseBytes: number): OciError {
  return invalid('memory.limit', limitBytes, `is below the ${inUseBytes} bytes in use and must not be`)
}

export function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0
}

/** Without the keys that are undefined, which JSON and emptiness would not see alike. */
function present<Value extends object>(
  value: Value,
): { [Key in keyof Value]?: Exclude<Value[Key], undefined> }
function present(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined))
}

function ownOf<Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

function entriesOf(field: string, value: unknown): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(field, value, 'must be an object')
  return Object.entries(value).filter(([, each]) => each !== undefined)
}

function checkSize(field: string, value: unknown): void {
  if (isUnlimited(value) || isWhole(value, 1, sizeMaxBytes)) return
  const rule = `must be a positive whole number of bytes, at most ${sizeMaxBytes}, or -1 for no limit`
  throw invalid(field, value, rule)
}

function checkSwap(limit: number | undefined, swap: number | undefined): void {
  if (limit === undefined || swap === undefined || swap === unlimited) return
  if (limit !== unlimited && swap >= limit) return
  throw invalid('memory.swap', swap, 'counts memory and swap together and must not be below memory.limit')
}

function checkShares(field: string, value: unknown): void {
  if (!isWhole(value, sharesMin, sharesMax))
    throw invalid(field, value, `must be a whole number from ${sharesMin} to ${sharesMax}`)
}

function checkQuota(field: string, value: unknown): void {
  if (isUnlimited(value) || isWhole(value, quotaMinUs, quotaMaxUs)) return
  throw invalid(field, value, `must be at least ${quotaMinUs} microseconds, or -1 for no limit`)
}

function checkPeriod(field: string, value: unknown): void {
  if (!isWhole(value, periodMinUs, periodMaxUs))
    throw invalid(field, value, `must be from ${periodMinUs} to ${periodMaxUs} microseconds`)
}

function checkPids(field: string, value: unknown): void {
  if (isUnlimited(value) || isWhole(value, 1, pidsOfKernelMax)) return
  throw invalid(field, value, `must be a whole number from 1 to ${pidsOfKernelMax}, or -1 for no limit`)
}

function checkList(field: string, value: unknown): void {
  if (typeof value === 'string' && parseNumberList(value) !== undefined) return
  throw invalid(field, value, "must be a list of numbers and ranges such as '0-2,5'")
}

function isUnlimited(value: unknown): boolean {
  return value === unlimited || value === BigInt(unlimited)
}

function isWhole(value: unknown, min: number, max: number): boolean {
  if (typeof value === 'bigint') return value >= min && value <= max
  return Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max
}

function unsupported(field: string): OciError {
  const message = `${field} cannot be changed by an update: only memory.limit, .reservation and .swap, cpu.shares, .quota, .period, .cpus and .mems, and pids.limit can`
  return new OciError('ERR_UNSUPPORTED', message, { field })
}

/** Names a limit, what it was, and what it must be. */
function invalid(field: string, value: unknown, rule: string): OciError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 200)) : shownOf(value)
  return new OciError('ERR_INVALID_ARGUMENT', `${field} ${shown} ${rule}`, { field })
}

function shownOf(value: unknown): string {
  return ['number', 'bigint', 'boolean'].includes(typeof value) || value === null
    ? String(value)
    : `of type ${typeof value}`
}
