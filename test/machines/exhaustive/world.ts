/**
 * The world around one container, as small as it can be and still hold every lie the real one tells: a process, its
 * freezer, its monitor, the file of its exit, and effects that come true after nobody waits for them any more.
 *
 * Deliberately not here: when anything happens. Whatever is possible may happen at any time (`moves.ts`).
 */
import type { ContainerStatus } from '../../../src/container.ts'

export interface World {
  /** `waiting` is created and not started. */
  readonly process: 'none' | 'waiting' | 'running' | 'dead'
  /** Its command was started by us, whoever knows of it. */
  readonly hasRun: boolean
  readonly isFrozen: boolean
  readonly monitor: 'none' | 'alive' | 'dead'
  /** What a dead process ended with, which only its monitor learns. */
  readonly ending: Ending | undefined
  /** The exit file: the ending, once the monitor has written it down. */
  readonly isReported: boolean
  /** Effects that nobody waits for and that may come true all the same. */
  readonly late: readonly LateEffect[]
}

export interface Ending {
  readonly code: number
  readonly oomKilled: boolean
}

/** A late pause or resume is like somebody else's, who may freeze and thaw at any time. */
export const lateEffects = ['create', 'start'] as const
export type LateEffect = (typeof lateEffects)[number]

export const exitedByItself: Ending = { code: 0, oomKilled: false }
export const killed: Ending = { code: 137, oomKilled: false }
export const outOfMemory: Ending = { code: 137, oomKilled: true }

export const emptyWorld: World = {
  process: 'none',
  hasRun: false,
  isFrozen: false,
  monitor: 'none',
  ending: undefined,
  isReported: false,
  late: [],
}

export const createdWorld: World = { ...emptyWorld, process: 'waiting', monitor: 'alive' }
export const runningWorld: World = { ...createdWorld, process: 'running', hasRun: true }

export function isAlive({ process }: World): boolean {
  return process === 'waiting' || process === 'running'
}

export function statusIn({ process, isFrozen }: World): ContainerStatus | 'absent' {
  if (process === 'none') return 'absent'
  if (process === 'dead') return 'stopped'
  if (isFrozen) return 'paused'
  return process === 'waiting' ? 'created' : 'running'
}

export function ended(world: World, ending: Ending): World {
  return { ...world, process: 'dead', isFrozen: false, ending }
}

/** The world without late effects that can come true no more. */
export function settled(world: World): World {
  const late = world.late.filter((effect) =>
    effect === 'create'
      ? world.process === 'none'
      : world.process === 'waiting' || world.late.includes('create'),
  )
  return late.length === world.late.length ? world : { ...world, late }
}

export type WorldEffect = LateEffect | 'pause' | 'resume' | 'cleanUp' | 'delete'

/** The world after an effect; undefined where it cannot take effect, which is when it fails. */
export function after(world: World, effect: WorldEffect): World | undefined {
  switch (effect) {
    case 'create':
      return world.process === 'none' ? { ...createdWorld, late: world.late } : undefined
    case 'start':
      // What somebody else has started runs, which is what was wanted.
      if (world.process === 'running') return world
      return world.process === 'waiting' && !world.isFrozen
        ? { ...world, process: 'running', hasRun: true }
        : undefined
    case 'pause':
      return world.process === 'running' ? { ...world, isFrozen: true } : undefined
    case 'resume':
      return isAlive(world) ? { ...world, isFrozen: false } : undefined
    // By force, with everything that was still to come.
    case 'cleanUp':
      return emptyWorld
    case 'delete':
      return isAlive(world) ? undefined : { ...emptyWorld, late: world.late }
    default:
      return undefined
  }
}
