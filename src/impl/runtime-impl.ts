/**
 * The effect port: what a container's machine needs done in the world. RuntimeOCI, RuntimeVM and the simulated runtime
 * implement it; an embedder's own implementation plugs in here by runtime type.
 *
 * Architecture invariant: implementations never see machines or actors. They keep no lifecycle state of their own: every
 * call gets the container and, where it needs one, the identity of its process.
 *
 * Every effect takes an AbortSignal that is aborted when the machine stops waiting (a timeout, a cancel). An effect must
 * then release what it holds; what it has done to the world by then is undone by `cleanUp`.
 */
import type { Observable } from 'rxjs'
import type { Container, Timestamp } from '../container.ts'
import type { OciLinuxResources } from '../bundle/oci-spec.ts'
import type { AttachOptions, AttachSession } from './attach-port.ts'
import type { CheckFinding } from './check-port.ts'
import type { ExecPort } from './exec-port.ts'
import type { ContainerStats } from './stats-port.ts'
import type { StreamEffects } from './streams-port.ts'

export type { AttachOptions, AttachSession } from './attach-port.ts'
export type { CheckFinding } from './check-port.ts'
export type { ExecPort, ExecSyncRequest, ExecSyncResult } from './exec-port.ts'
export type { ContainerStats } from './stats-port.ts'
export type { PortForwardRequest } from './streams-port.ts'

/** A process by pid and start time (field 22 of /proc/PID/stat, in clock ticks since boot): never a recycled pid. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTicks: string
}

/** What a successful create hands over. */
export interface Created {
  readonly init: ProcessIdentity
  readonly monitor: ProcessIdentity | undefined
  /** Resolves when the monitor is seen to have died; never rejects. Absent where a probe has to find out. */
  readonly monitorGone: Promise<void> | undefined
}

/** Where a container comes from that was created before this process began. */
export interface Provenance {
  /** The handler and the runtime's root that it was created with, whatever the configuration says today. */
  readonly handler: string
  readonly runtimeRoot: string
  /** False when nobody knows whether its creation had begun: what bears its id may be a stranger. */
  readonly wasCreated: boolean
}

/** What the world says of a container, whatever we believed. */
export interface Observation {
  readonly status: 'created' | 'running' | 'paused' | 'stopped' | 'absent'
  readonly init: ProcessIdentity | undefined
  /**
   * True when nobody but the process itself tells of the container. It lives, or is frozen, before its start as well: so
   * this says nothing of whether its command was started.
   */
  readonly isOfProcessOnly?: boolean | undefined
}

/** One exit as reported by the monitor. */
export interface ExitFact {
  readonly id: string
  readonly code: number
  readonly finished: Timestamp
}

export interface EffectOptions {
  readonly signal: AbortSignal
  /**
   * When the machine stops waiting. An implementation that ends a little earlier by itself can say what hung: the command,
   * and its last words.
   */
  readonly timeoutMs?: number | undefined
}

export interface CreateOptions extends EffectOptions {
  /** Places the monitor, not the container. Parity: the seed's cgroupParent. */
  readonly cgroupParent: string | undefined
}

export interface RuntimeImpl {
  /**
   * Creates the container up to the point where `start` runs its command, and expects its exit from then on. A stale exit
   * of an earlier container with its id must not count. Callers run `cleanUp` after any failure.
   */
  create(container: Container, options: CreateOptions): Promise<Created>
  /** Runs its command. Must fail where it runs already: whether it does is then looked at. */
  start(container: Container, options: EffectOptions): Promise<void>
  /** Sends a signal to the container's init process. ERR_NOT_RUNNING when it is gone. */
  signal(container: Container, init: ProcessIdentity, signal: number, options: EffectOptions): Promise<void>
  pause(container: Container, options: EffectOptions): Promise<void>
  resume(container: Container, options: EffectOptions): Promise<void>
  observe(container: Container, options: EffectOptions): Promise<Observation>
  /**
   * True only with evidence from the kernel that its OOM killer ended this run, which ended with `exitCode`. Asked after
   * the exit, before `delete`.
   */
  oomKilled(container: Container, exitCode: number, options: EffectOptions): Promise<boolean>
  /**
   * Kills what outlived the init process. Asked after every exit; does nothing where the kernel has done it already, as
   * it does in a pid namespace that is the container's own.
   */
  killRemaining(container: Container, options: EffectOptions): Promise<void>
  /** An exit that the monitor wrote down but could not report, as when the place for reports was gone. */
  unreportedExit?(container: Container): Promise<Omit<ExitFact, 'id'> | undefined>
  /**
   * Changes limits of a living container; what `resources` leaves out stays as it is. All or nothing: after a failure the
   * old limits stand.
   */
  update?(container: Container, resources: OciLinuxResources, options: EffectOptions): Promise<void>
  /** One sample of what the container uses, without starting a process. From `create` until `delete`. */
  stats?(container: Container, options: EffectOptions): Promise<ContainerStats>
  /** Commands run in the container. Left out by implementations that cannot. */
  readonly execs?: ExecPort
  /** Joins a client to the streams of a container that is created or runs. Left out by implementations that cannot. */
  attach?(container: Container, request: AttachOptions, options: EffectOptions): Promise<AttachSession>
  /** Its log and its ports. Left out by implementations that cannot. */
  readonly streams?: StreamEffects
  /** Kills what is left of the container and removes every trace but its log. Succeeds when there is nothing. */
  cleanUp(container: Container, options: EffectOptions): Promise<void>
  /** Removes a stopped container from the runtime, and the files the implementation made for it. Succeeds when there is nothing. */
  delete(container: Container, options: EffectOptions): Promise<void>
  /**
   * Whether this very process, an init or a monitor, lives. Must be cheap: it is asked twice a second. Left out by
   * implementations whose processes are the host's.
   */
  processState?(identity: ProcessIdentity): 'alive' | 'gone'
  /**
   * The state of that process as one letter of /proc/PID/stat (`D` for uninterruptible sleep), undefined when it is gone
   * or cannot be known. Must be cheap and never throw. Left out by implementations whose processes are the host's.
   */
  schedulingState?(identity: ProcessIdentity): string | undefined
  /**
   * Whether the living `init` is frozen, found out without asking the runtime; undefined where that cannot be seen. What
   * leaves it out, or cannot see, is asked by `observe` at every look.
   */
  isFrozen?(container: Container, init: ProcessIdentity, options: EffectOptions): Promise<boolean | undefined>
  /**
   * Whether the command of a created container whose process lives was started, found out without asking the runtime:
   * false where it certainly waits for its start. What leaves it out, or cannot see, is asked by `observe`.
   */
  isStarted?(container: Container, options: EffectOptions): Promise<boolean | undefined>
  /**
   * A container that an earlier supervisor created, or was creating: the calls to come are about that one. Asked before
   * any other call for it. Must not throw. Left out by implementations that need not know.
   */
  adopt?(container: Container, provenance: Provenance): void
  /**
   * Watches the monitor of a container that was adopted and lives: resolves when it is seen to have died, at once when
   * it has already; never rejects. Undefined where a probe has to find out. Must not throw.
   */
  monitorGone?(container: Container): Promise<void> | undefined
  /**
   * Removes what supervisors that have ended left behind and no container needs: their temporary files, and commands that
   * they ran in containers. `ids` are those of containers whose monitor has nothing to write any more. What bears any
   * other name is somebody else's. Called at a restart, once the containers are taken up.
   */
  tidy?(ids: ReadonlySet<string>): Promise<void>
  /** What the operator of this host should know of the programs that this implementation runs. Changes nothing. */
  check?(options: EffectOptions): Promise<readonly CheckFinding[]>
  /** The exits of this implementation's containers, at least once each. */
  readonly exits: ExitSource
  /** Releases what the implementation holds in this process. Containers go on. */
  close(): Promise<void>
}

/** Where exits come from, and where they stay until somebody has recorded them. */
export interface ExitSource {
  /** Exit facts of expected ids, deduplicated. Never errors, never completes before `close`. */
  readonly exits$: Observable<ExitFact>
  /** From now on `id` is ours: report its exit, also one that has happened already. */
  expect(id: string): void
  /** The exit of `id` is recorded (or void): remove its evidence and stop expecting it. */
  discard(id: string): Promise<void>
  /** Looks at the evidence now instead of waiting to be told. */
  scan(): Promise<void>
  /** Says whether something waits for the exit of `id`, so that it is looked for more often. Ignored for other ids. */
  urgent(id: string, waiting: boolean): void
}
