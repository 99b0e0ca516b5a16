/**
 * RuntimeVM: the effect port for containers in containerd's shims (v2), whatever runs below them. One instance serves all
 * handlers of the type `vm`.
 *
 * Invariant: it keeps no state of containers. What it holds of them (task.ts) it can take up again from the shim, and what
 * it remembers (notes.ts) is on disk.
 */
import type { Config } from '../../config/config.ts'
import type { Logger } from '../../surroundings/logger.ts'
import type { Launcher } from '../launcher/launcher.ts'
import { readCgroupMounts, type CgroupMount } from '../host/cgroups.ts'
import { KernelLog } from '../host/kernel-log.ts'
import { ExecHome } from '../host/exec-home.ts'
import { Sampling } from '../sampling.ts'
import type { ExitSource, RuntimeImpl } from '../runtime-impl.ts'
import { searchPath } from '../search-path.ts'
import { attach } from './attach.ts'
import { check } from './check.ts'
import { cleanUp } from './clean-up.ts'
import { create } from './create.ts'
import { deleteContainer } from './delete.ts'
import { createVmExecs } from './execs.ts'
import { VmExits } from './exits.ts'
import { killRemaining } from './kill-remaining.ts'
import { openNotebook } from './notes.ts'
import { isFrozen } from './freezer.ts'
import { isStarted, observe } from './observe.ts'
import { oomKilled } from './oom.ts'
import { pause, resume } from './pause.ts'
import { portForward } from './port-forward.ts'
import { vmDirectory } from './paths.ts'
import { reopenLog } from './reopen-log.ts'
import { adoptContainer, tidy, unreportedExit } from './restart.ts'
import { listenToShims, type ShimEvents, type ShimListener } from './shim/events.ts'
import { Shims } from './shim/shims.ts'
import { closeShimLog } from './shim/start-shim.ts'
import { openScopes } from '../systemd/scopes.ts'
import { signal } from './signal.ts'
import { start } from './start.ts'
import { stats } from './stats.ts'
import { update } from './update.ts'
import type { VmWorld } from './world.ts'

export interface RuntimeVmOptions {
  readonly config: Config
  readonly launcher: Pick<Launcher, 'run'>
  /** Finds exit files. */
  readonly exits: ExitSource
  readonly logger: Logger
  /** Where PATH, XDG_RUNTIME_DIR and DBUS_SYSTEM_BUS_ADDRESS come from. Default: ours. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
}

/** Parity: the seed's newRuntimeVM. */
export function createRuntimeVm(options: RuntimeVmOptions): RuntimeImpl {
  const world = worldOf(options)
  const execs = createVmExecs(world)
  return {
    create: (container, effect) => create(world, container, effect),
    start: (container, effect) => start(world, container, effect),
    signal: (container, init, number, effect) => signal(world, container, init, number, effect),
    pause: (container, effect) => pause(world, container, effect),
    resume: (container, effect) => resume(world, container, effect),
    observe: (container, effect) => observe(world, container, effect),
    isFrozen: (container, init) => isFrozen(world, container, init),
    isStarted: (container) => isStarted(world, container),
    attach: (container, request, effect) => attach(world, container, request, effect),
    execs,
    streams: {
      reopenLog: (container, effect) => reopenLog(world, container, effect),
      portForward: (container, init, request, effect) => portForward(world, container, init, request, effect),
    },
    update: (container, resources, effect) => update(world, container, resources, effect),
    stats: (container, effect) => stats(world, container, effect),
    oomKilled: (container, exitCode) => oomKilled(world, container, exitCode),
    killRemaining: (container, effect) => killRemaining(world, container, effect),
    cleanUp: (container, effect) => cleanUp(world, container, effect),
    delete: (container, effect) => deleteContainer(world, container, effect),
    unreportedExit: (container) => unreportedExit(world, container),
    adopt: (container, provenance) => adoptContainer(world, container, provenance),
    tidy: (ids) => tidy(world, ids),
    check: (effect) => check(world, effect),
    exits: world.exits,
    close: async () => {
      await execs.close()
      await close(world)
    },
  }
}

function worldOf({
  config,
  launcher,
  exits: source,
  logger,
  environment = process.env,
}: RuntimeVmOptions): VmWorld {
  let mounts: Promise<readonly CgroupMount[]> | undefined
  let events: Promise<ShimEvents> | undefined
  const env = { PATH: searchPath(environment) }
  const world: VmWorld = {
    config,
    launcher,
    exits: new VmExits({ source, directory: config.containerExitsDir, logger }),
    logger,
    notebook: openNotebook(logger),
    environment,
    shims: new Shims(logger),
    scopes: openScopes({ address: environment['DBUS_SYSTEM_BUS_ADDRESS'] }),
    fifos: new ExecHome({ runDir: vmDirectory(config.runDir), launcher, env }),
    cgroupMounts: () => {
      mounts ??= readCgroupMounts()
      return mounts
    },
    kernelLog: new KernelLog(logger),
    events: () => {
      events ??= listenToShims(`${vmDirectory(config.runDir)}/events`, listenerOf(world), logger)
      return events
    },
    closeEvents: async () => (await events)?.close(),
    programs: new Map(),
    tasks: new Map(),
    shimLogs: new Map(),
    adopted: new WeakMap(),
    untouched: new Set(),
    ours: new WeakSet(),
    unclean: new WeakSet(),
    creating: new Map(),
    outOfMemoryMs: new Map(),
    oomBeforeKill: new Map(),
    sampling: new Sampling(),
  }
  return world
}

function listenerOf({ tasks, outOfMemoryMs }: Pick<VmWorld, 'tasks' | 'outOfMemoryMs'>): ShimListener {
  return {
    exited: (exit) => {
      if (exit.execId !== undefined) return
      void tasks.get(exit.containerId)?.then(
        (task) => task.exited(exit),
        () => undefined,
      )
    },
    // Of ours only: anybody may write to the socket who may write to our directories.
    outOfMemory: (containerId) => {
      if (tasks.has(containerId) && !outOfMemoryMs.has(containerId))
        outOfMemoryMs.set(containerId, Date.now())
    },
  }
}

/** Containers and their shims go on; what they write waits in their FIFOs. */
async function close(world: VmWorld): Promise<void> {
  for (const task of await Promise.allSettled(world.tasks.values())) {
    if (task.status === 'rejected') continue
    task.value.leave()
    await task.value.streams?.close()
  }
  world.tasks.clear()
  for (const containerId of world.shimLogs.keys()) closeShimLog(world, containerId)
  await world.shims.close()
  await world.closeEvents()
  await world.fifos.close()
  await world.kernelLog.close()
  world.scopes.close()
}
