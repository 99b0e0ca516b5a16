/**
 * RuntimeOCI: the effect port for conmon and a runtime with crun's and runc's command line. One instance serves all
 * handlers of the type `oci`.
 *
 * Invariant: it keeps no state of containers. What it remembers of them can be lost (notes.ts has it on disk) or is of
 * use to this process only.
 */
import type { Config } from '../../config/config.ts'
import type { Container } from '../../container.ts'
import { inContext } from '../../errors/index.ts'
import type { Logger } from '../../logger.ts'
import type { Launcher } from '../launcher/launcher.ts'
import type { ExitSource, RuntimeImpl } from '../runtime-impl.ts'
import { readCgroupMounts, type CgroupMount } from './cgroups.ts'
import { cleanUp } from './clean-up.ts'
import { create } from './create.ts'
import { deleteContainer } from './delete.ts'
import { killRemaining } from './kill-remaining.ts'
import { Notebook } from './notes.ts'
import { isFrozen, observe } from './observe.ts'
import { oomKilled } from './oom.ts'
import { pause, resume } from './pause.ts'
import { signal } from './signal.ts'
import { start } from './start.ts'
import type { OciWorld } from './world.ts'

export interface RuntimeOciOptions {
  readonly config: Config
  readonly launcher: Pick<Launcher, 'run' | 'spawnMonitor'>
  readonly exits: ExitSource
  readonly logger: Logger
  /** Where PATH and XDG_RUNTIME_DIR come from. Default: ours. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
}

/** Parity: the seed's newRuntimeOCI. */
export function createRuntimeOci(options: RuntimeOciOptions): RuntimeImpl {
  const world = worldOf(options)
  return {
    create: (container, effect) => told('createContainer', container, create(world, container, effect)),
    start: (container, effect) => told('startContainer', container, start(world, container, effect)),
    signal: (container, init, number) =>
      told('signalContainer', container, signal(world, container, init, number)),
    pause: (container, effect) => told('pauseContainer', container, pause(world, container, effect)),
    resume: (container, effect) => told('unpauseContainer', container, resume(world, container, effect)),
    observe: (container, effect) =>
      told('updateContainerStatus', container, observe(world, container, effect)),
    isFrozen: (_, init) => isFrozen(world, init),
    oomKilled: (container, exitCode) => told(undefined, container, oomKilled(world, container, exitCode)),
    killRemaining: (container, effect) => told(undefined, container, killRemaining(world, container, effect)),
    cleanUp: (container, effect) => told(undefined, container, cleanUp(world, container, effect)),
    delete: (container, effect) =>
      told('deleteContainer', container, deleteContainer(world, container, effect)),
    exits: options.exits,
    close: () => {
      for (const sync of world.syncPipes.values()) sync.destroy()
      world.syncPipes.clear()
      return Promise.resolve()
    },
  }
}

/** Errors name the public verb that an effect does the work of, and the container, however deep they come from. */
async function told<T>(operation: string | undefined, { id }: Container, effect: Promise<T>): Promise<T> {
  try {
    return await effect
  } catch (error) {
    throw inContext(error, { containerId: id, operation })
  }
}

function worldOf({
  config,
  launcher,
  exits,
  logger,
  environment = process.env,
}: RuntimeOciOptions): OciWorld {
  let mounts: Promise<readonly CgroupMount[]> | undefined
  return {
    config,
    launcher,
    exits,
    logger,
    environment,
    notebook: new Notebook(logger),
    cgroupMounts: () => {
      mounts ??= readCgroupMounts()
      return mounts
    },
    programs: new Map(),
    untouched: new Set(),
    ours: new WeakSet(),
    unclean: new WeakSet(),
    creating: new Map(),
    syncPipes: new Map(),
    oomBeforeKill: new Map(),
  }
}
