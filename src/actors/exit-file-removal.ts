/**
 * Removes exit files that are recorded, so that neither disk nor kernel memory fills up with them, and remembers what
 * must not be reported for that reason: files about to go, and files that would not go.
 */
import { lstat, unlink } from 'node:fs/promises'
import type { Clock } from '../surroundings/clock.ts'
import { errnoOf, OciError } from '../errors/index.ts'
import type { Logger } from '../surroundings/logger.ts'
import { fileVersion } from './exit-file.ts'
import { createLanes } from './lanes.ts'

export interface ExitFileRemoval {
  /** Removes the file of `id`, after earlier removals of the same. Rejects with ERR_IO after a few tries. */
  remove(id: string): Promise<void>
  /** True while a removal is under way: what stands there now is the file of an earlier run. */
  isRemoving(id: string): boolean
  /** True for the file that a failed removal left behind, false for any that has taken its place since. */
  isLeftOver(id: string, version: string): boolean
  /** Resolves once nothing is being removed. */
  idle(): Promise<void>
}

const removalsMax = 8
const retryDelaysMs = [20, 200] as const
export function createExitFileRemoval(options: {
  readonly pathOf: (id: string) => string
  readonly clock: Clock
  readonly log: Logger
  /** The oldest are forgotten beyond this. Each stands for a file on a disk that refuses to remove files. */
  readonly leftOversMax?: number
}): ExitFileRemoval {
  const { pathOf, clock, log, leftOversMax = 10_000 } = options
  const lanes = createLanes(removalsMax)
  const underWay = new Map<string, Promise<void>>()
  const leftOvers = new Map<string, string>()

  const rememberLeftOver = async (id: string): Promise<void> => {
    try {
      leftOvers.set(id, fileVersion(await lstat(pathOf(id), { bigint: true })))
    } catch (error) {
      log.warn({ containerId: id, err: error }, 'the exit file that stays cannot be told from a later one')
    }
    const [oldest] = leftOvers.keys()
    if (leftOvers.size > leftOversMax && oldest !== undefined) leftOvers.delete(oldest)
  }

  const giveUp = async (id: string, cause: unknown): Promise<never> => {
    await rememberLeftOver(id)
    const file = pathOf(id)
    const message = `exit file ${file} cannot be removed`
    log.error({ containerId: id, file, err: cause }, message)
    throw new OciError('ERR_IO', message, { containerId: id, file, cause })
  }

  const removeNow = async (id: string): Promise<void> => {
    for (const retryDelayMs of [...retryDelaysMs, undefined]) {
      try {
        await unlink(pathOf(id))
        break
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') break
        if (retryDelayMs === undefined) return giveUp(id, error)
        await new Promise<void>((resolve) => clock.setTimeout(resolve, retryDelayMs))
      }
    }
    leftOvers.delete(id)
  }

  return {
    remove: async (id) => {
      // In order: the later of two must not return while the earlier may still be at the file.
      const earlier = underWay.get(id)
      const removal = Promise.allSettled([earlier]).then(() => lanes.run(() => removeNow(id)))
      underWay.set(id, removal)
      try {
        await removal
      } finally {
        if (underWay.get(id) === removal) underWay.delete(id)
      }
    },
    isRemoving: (id) => underWay.has(id),
    isLeftOver: (id, version) => leftOvers.get(id) === version,
    idle: async () => {
      await Promise.allSettled(underWay.values())
    },
  }
}
