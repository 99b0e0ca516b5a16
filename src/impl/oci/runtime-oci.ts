/**
 * RuntimeOCI: the effect port for conmon and a runtime with crun's and runc's command line. One instance serves all
 * handlers of the type `oci`.
 *
 * Invariant: it keeps no state of containers. What it remembers of them can be lost (notes.ts has it on disk) or is of
 * use to this process only.
 */
import type { Config } from '../../config/config.ts'
import type { Logger } from '../../surroundings/logger.ts'
import { openAttachBridge } from '../attach-bridge/client.ts'
import type { Launcher } from '../launcher/launcher.ts'
import type { ExitSource, RuntimeImpl } from '../runtime-impl.ts'
import { readCgroupMounts, type CgroupMount } from '../host/cgroups.ts'
import { check } from './check.ts'
import { cleanUp } from './clean-up.ts'
import { attach, type AttachWorld } from './attach.ts'
import { create } from './create.ts'
import { deleteContainer } from './delete.ts'
import { killRemaining } from './kill-remaining.ts'
import { ExecHome } from '../host/exec-home.ts'
import { watchMonitor } from './monitor-sync.ts'
import { openNotebook } from './notes.ts'
import { createExecs } from './execs.ts'
import { isFrozen } from '../host/freezer.ts'
import { isStarted, observe } from './observe.ts'
import { oomKilled } from './oom.ts'
import { pause, resume } from './pause.ts'
import { signal } from './signal.ts'
import { portForward } from '../host/port-forward.ts'
import { reopenLog } from './reopen-log.ts'
import { Sampling } from '../sampling.ts'
import { searchPath } from '../search-path.ts'
import { start } from './start.ts'
import { stats } from './stats.ts'
import { KernelLog } from '../host/kernel-log.ts'
import { openScopes } from '../systemd/scopes.ts'
import { bridgeDirectory, tidy } from './tidy.ts'
import { unreportedExit } from './unreported-exit.ts'
import { update } from './update.ts'
import type { OciWorld } from './world.ts'

export interface RuntimeOciOptions {
  readonly config: Config
  readonly launcher: Pick<Launcher, 'run' | 'spawnMonitor' | 'attend'>
  /** Runs the attach helper. Default: the Node that runs us. */
  readonly nodePath?: string | undefined
  /** The program of the attach bridge. Default: the one beside us. */
  readonly attachBridgePath?: string | undefined
  readonly exits: ExitSource
  readonly logger: Logger
  /** Where PATH, XDG_RUNTIME_DIR and DBUS_SYSTEM_BUS_ADDRESS come from. Default: ours. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
}

/** The port with every verb. */
export type RuntimeOci = RuntimeImpl &
  Required<Pick<RuntimeImpl, 'execs' | 'attach' | 'streams' | 'update' | 'stats'>>

/** Parity: the seed's newRuntimeOCI. */
export function createRuntimeOci(options: RuntimeOciOptions): RuntimeOci {
  const closing = new AbortController()
  const world = worldOf(options, closing.signal)
  const { attachBridge, home } = world
  const execs = createExecs({ oci: world, launcher: options.launcher, attachBridge, home })
  return {
    create: (container, effect) => create(world, container, effect),
    start: (container, effect) => start(world, container, effect),
    signal: (container, init, number) => signal(world, container, init, number),
    pause: (container, effect) => pause(world, container, effect),
    resume: (container, effect) => resume(world, container, effect),
    observe: (container, effect) => observe(world, container, effect),
    isFrozen: (_, init) => isFrozen(world, init),
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
    adopt: (container, provenance) => {
      world.adopted.set(container, provenance)
      if (provenance.wasCreated) world.ours.add(container)
    },
    monitorGone: (container) => watchMonitor(world, container),
    tidy: (ids) => tidy(world, ids),
    check: (effect) => check(world, effect),
    exits: options.exits,
    close: async () => {
      closing.abort()
      for (const sync of world.syncPipes.values()) sync.destroy()
      world.syncPipes.clear()
      world.scopes.close()
      // These rest on the launcher, which is closed after us.
      await Promise.all([execs.close(), attachBridge.close(), world.kernelLog.close()])
      await home.close()
    },
  }
}

function worldOf(
  {
    config,
    launcher,
    exits,
    logger,
    environment = process.env,
    nodePath,
    attachBridgePath,
  }: RuntimeOciOptions,
  closed: AbortSignal,
): OciWorld & AttachWorld {
  let mounts: Promise<readonly CgroupMount[]> | undefined
  return {
    config,
    launcher,
    exits,
    logger,
    environment,
    notebook: openNotebook(logger),
    cgroupMounts: () => {
      mounts ??= readCgroupMounts()
      return mounts
    },
    kernelLog: new KernelLog(logger),
    scopes: openScopes({ address: environment['DBUS_SYSTEM_BUS_ADDRESS'] }),
    programs: new Map(),
    untouched: new Set(),
    ours: new WeakSet(),
    adopted: new WeakMap(),
    unclean: new WeakSet(),
    creating: new Map(),
    home: new ExecHome({ runDir: config.runDir, launcher, env: { PATH: searchPath(environment) } }),
    sharedCgroups: new Set(),
    syncPipes: new Map(),
    closed,
    oomBeforeKill: new Map(),
    sampling: new Sampling(),
    attachBridge: openAttachBridge({
      launcher,
      logger,
      nodePath,
      bridgePath: attachBridgePath,
      directory: bridgeDirectory(config.runDir),
    }),
  }
}
