/**
 * The nouns: what an embedder describes (a {@link Container}) and what it can read back about it.
 *
 * Deliberately not here: anything that acts. A container knows no actor, no process and no file; the registry binds a
 * read-only view of the machine's state to it, and verbs are the Runtime's.
 */
import {
  absolutePath,
  containerVolume,
  date,
  flag,
  idMappings,
  metadata,
  plainCopy,
  stringMap,
  text,
  validId,
} from './container-fields.ts'
import { isError, OciError, type Operation } from './errors/index.ts'
import type { OciIdMapping, OciSpec } from './bundle/oci-spec.ts'
import { defaultStopSignal, signalName, signalNumberOr } from './signals.ts'

/**
 * An instant as RFC 3339 with up to nine decimals, as in state.json: in UTC when it is ours, with any offset when another
 * program wrote the file. `new Date(timestamp)` reads it, to the millisecond.
 */
export type Timestamp = string

/** The OCI status of a container. Parity: the seed's ContainerState* constants. */
export const containerStatuses = ['created', 'running', 'paused', 'stopped'] as const
export type ContainerStatus = (typeof containerStatuses)[number]

/** The fine state of a container's machine. `docs/architecture.md` has the picture. */
export const containerPhases = [
  'registered',
  'creating',
  'cleaning',
  'failed',
  'created',
  'starting',
  'running',
  'pausing',
  'resuming',
  'observing',
  'paused',
  'stopping.thawing',
  'stopping.signalling',
  'stopping.grace',
  'stopping.killing',
  'exiting',
  'stopped',
  'deleting',
  'deleted',
] as const
export type ContainerPhase = (typeof containerPhases)[number]

/** Why an exit code is not known. */
export const unknownExitReasons = [
  /** The process is gone and no exit file came in time. */
  'no-exit-file',
  /** The monitor died before the process did, so nobody was left to reap it. */
  'monitor-lost',
  /** The host was started anew, and nothing on disk has the code. */
  'reboot',
  /** The container never started, so there is no exit. */
  'start-failed',
  /** Another program wrote the state file: one that leaves out a code of zero and makes up 255. */
  'legacy',
] as const
export type UnknownExitReason = (typeof unknownExitReasons)[number]

/** How a container's process ended: a code, or that it cannot be known and why. Never a made-up code. */
export type ExitStatus = (
  | {
      readonly kind: 'code'
      readonly code: number
      /** The signal that a code above 128 usually stands for. An inference: a process may exit 137 by itself. */
      readonly inferredSignal: number | undefined
    }
  | { readonly kind: 'unknown'; readonly why: UnknownExitReason }
) & {
  /** True only with evidence from the kernel that the OOM killer ended this run. */
  readonly oomKilled: boolean
  readonly finished: Timestamp
}

/** What the supervisor knows of a container, as plain data in the seed's shape. Parity: the seed's ContainerState. */
export interface ContainerState {
  readonly ociVersion: string
  readonly id: string
  /** Undefined until created, and when creating failed. */
  readonly status: ContainerStatus | undefined
  /** The init process in the host's pid namespace; 0 when there is none. */
  readonly pid: number
  readonly bundle: string
  readonly annotations: Readonly<Record<string, string>>
  /**
   * These three are the wall clock's and never run backwards: what was set back meanwhile stands still. For how long
   * something took there are the `inPhaseMs` of events, which are monotonic.
   */
  readonly created: Timestamp | undefined
  /** When its start was asked for, so that nothing it does is earlier; or when it was seen that somebody else started it. */
  readonly started: Timestamp | undefined
  readonly finished: Timestamp | undefined
  /** CRI-O's view of the exit: the code, 255 when it is unknown, undefined before the exit. `exit` has the truth. */
  readonly exitCode: number | undefined
  readonly oomKilled: boolean
  /** What went wrong last: a failed create, start or delete. */
  readonly error: string | undefined
  readonly exit: ExitStatus | undefined
  /** False while the disk refuses to take this state; it is retried. */
  readonly durable: boolean
}

/** A bind mount of a container. Parity: the seed's ContainerVolume. */
export interface ContainerVolume {
  readonly containerPath: string
  readonly hostPath: string
  readonly readonly: boolean
}

/** User and group id mappings. Parity: idtools.IDMappings. */
export interface IdMappings {
  readonly uids: readonly OciIdMapping[]
  readonly gids: readonly OciIdMapping[]
}

/** The kubelet's name for a container. Parity: pb.ContainerMetadata. */
export interface ContainerMetadata {
  readonly name: string
  readonly attempt: number
}

export interface ContainerOptions {
  /** `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`, unique per runtime; the name of files, cgroups and the runtime's own state. */
  readonly id: string
  readonly name?: string
  /** Absolute path of the OCI bundle. */
  readonly bundlePath: string
  /** Absolute path of the log file; default `<dir>/container.log`, which is no name that conmon or a shim uses. */
  readonly logPath?: string
  /**
   * Absolute path of the network namespace, when it is not the container's own; '' means the same as none. The spec has to
   * enter the same one, else create refuses with ERR_BUNDLE.
   */
  readonly netns?: string
  /** Labels and annotations: at most 256 KiB of names and values each, as in Kubernetes. */
  readonly labels?: Readonly<Record<string, string>>
  readonly crioAnnotations?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly image?: string
  readonly imageName?: string
  readonly imageRef?: string
  readonly metadata?: ContainerMetadata
  /** Id of the sandbox (pod) it belongs to. */
  readonly sandbox?: string
  readonly terminal?: boolean
  readonly stdin?: boolean
  /** Close the container's stdin when the first attached client leaves. */
  readonly stdinOnce?: boolean
  readonly privileged?: boolean
  /** Name of a configured handler; none, or '', is the configuration's default runtime. */
  readonly runtimeHandler?: string
  /** Absolute path of a directory for this container's state files; default `<bundlePath>`. */
  readonly dir?: string
  readonly createdAt?: Date
  /** Name (`TERM`, `SIGTERM`, any case, `RTMIN+3`) or number. Anything unknown means TERM, as in the seed. */
  readonly stopSignal?: string | number
}

/** What the registry shows of a registered container. */
export interface ContainerView {
  readonly state: ContainerState
  readonly phase: ContainerPhase
  /** When the phase was entered. */
  readonly since: Timestamp
  readonly waitingFor: string | undefined
  readonly execs: readonly ExecInfo[]
  /** True while the init process named by `state.pid` is the one we started. */
  ownsProcess(): boolean
}

/** A command that `startExec` was asked for. */
export type ExecInfo = StartingExecInfo | RunningExecInfo

export interface RunningExecInfo {
  readonly phase: 'running'
  readonly id: string
  /** Of the command, in the host's pid namespace. */
  readonly pid: number
  readonly argv: readonly string[]
  readonly tty: boolean
  /** Since when it runs. */
  readonly started: Timestamp
}

export interface StartingExecInfo {
  /** `ending`: its start was aborted or took too long, and what was begun of it is being killed. */
  readonly phase: 'starting' | 'ending'
  readonly id: undefined
  readonly pid: undefined
  readonly argv: readonly string[]
  readonly tty: boolean
  /** Since when it is being started. */
  readonly started: Timestamp
}

const brand = Symbol.for('oci-supervisor.Container')

/** True for a {@link Container}, also one made by another copy of this package. */
export function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null && brand in value
}

/**
 * A container as its embedder describes it, and a window on its state once a Runtime has registered it.
 * Throws ERR_INVALID_ARGUMENT naming the field when the description is malformed. Parity: the seed's NewContainer.
 */
export class Container {
  readonly id: string
  readonly name: string
  readonly bundlePath: string
  readonly logPath: string
  readonly netns: string | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly crioAnnotations: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly image: string
  readonly imageName: string
  readonly imageRef: string
  readonly metadata: ContainerMetadata | undefined
  readonly sandbox: string
  readonly terminal: boolean
  readonly stdin: boolean
  readonly stdinOnce: boolean
  readonly privileged: boolean
  readonly runtimeHandler: string | undefined
  readonly dir: string
  readonly createdAt: Date
  /** The stop signal's number. Parity: StopSignal(); `getStopSignal` has its name. */
  readonly stopSignal: number

  #spec: OciSpec | undefined
  #idMappings: IdMappings | undefined
  #mountPoint = ''
  #intermediateMountPoint = ''
  #seccompProfilePath = ''
  readonly #volumes: ContainerVolume[] = []
  #unregistered: Partial<ContainerState> = {}
  #created = false
  #view: ContainerView | undefined

  constructor(given: ContainerOptions) {
    const options = plainCopy('options', given)
    this.id = validId(options.id)
    this.name = text('name', options.name) ?? this.id
    this.bundlePath = absolutePath('bundlePath', options.bundlePath)
    this.dir = absolutePath('dir', options.dir ?? this.bundlePath)
    this.logPath = absolutePath('logPath', options.logPath ?? `${this.dir}/container.log`)
    this.netns = options.netns ? absolutePath('netns', options.netns) : undefined
    this.labels = stringMap('labels', options.labels)
    this.crioAnnotations = stringMap('crioAnnotations', options.crioAnnotations)
    this.annotations = stringMap('annotations', options.annotations)
    this.image = text('image', options.image) ?? ''
    this.imageName = text('imageName', options.imageName) ?? ''
    this.imageRef = text('imageRef', options.imageRef) ?? ''
    this.metadata = metadata(options.metadata)
    this.sandbox = text('sandbox', options.sandbox) ?? ''
    this.terminal = flag('terminal', options.terminal)
    this.stdin = flag('stdin', options.stdin)
    this.stdinOnce = flag('stdinOnce', options.stdinOnce)
    this.privileged = flag('privileged', options.privileged)
    this.runtimeHandler = text('runtimeHandler', options.runtimeHandler) || undefined
    this.createdAt = date('createdAt', options.createdAt ?? new Date())
    this.stopSignal = signalNumberOr(options.stopSignal, defaultStopSignal)
    Object.defineProperty(this, brand, { value: true })
  }

  /** The stop signal's name without prefix, `TERM` by default. Parity: GetStopSignal. */
  getStopSignal(): string {
    return signalName(this.stopSignal)
  }

  /** `namespace/pod/container` from the kubelet's labels, or the name outside Kubernetes. Parity: Description. */
  get description(): string {
    const parts = ['pod.namespace', 'pod.name', 'container.name'].map(
      (key) => this.labels[`io.kubernetes.${key}`],
    )
    return parts.some((part) => part === undefined) ? this.name : parts.join('/')
  }

  /** Parity: StatePath. */
  get statePath(): string {
    return `${this.dir}/state.json`
  }

  /**
   * Path of the container's network namespace. Throws ERR_NOT_RUNNING when it has none of its own name and its
   * process is not, or no longer, ours. Parity: NetNsPath, which answered `/proc/0/ns/net` here.
   */
  netNsPath(): string {
    if (this.netns !== undefined) return this.netns
    const { pid } = this.state
    if (pid > 0 && this.#view?.ownsProcess() === true) return `/proc/${pid}/ns/net`
    throw new OciError(
      'ERR_NOT_RUNNING',
      `container ${this.id} has no running process and no netns was given`,
      {
        containerId: this.id,
        operation: 'netNsPath',
      },
    )
  }

  /** A copy of the spec given to `setSpec`, or undefined while it is the bundle's config.json that counts. Parity: Spec. */
  get spec(): OciSpec | undefined {
    return structuredClone(this.#spec)
  }

  /**
   * Gives this library the spec, so that it does not have to read the bundle's config.json for its own decisions. What the
   * runtime runs is the file, which is never written by this library: `writeBundle` writes it, or its author.
   * ERR_INVALID_ARGUMENT when it is not plain data. Parity: SetSpec.
   */
  setSpec(spec: OciSpec): void {
    try {
      this.#spec = structuredClone(spec)
    } catch (cause) {
      throw new OciError('ERR_INVALID_ARGUMENT', 'spec must be plain data', {
        containerId: this.id,
        operation: 'setSpec',
        field: 'spec',
        cause,
      })
    }
  }

  get idMappings(): IdMappings | undefined {
    return this.#idMappings
  }

  setIdMappings(mappings: IdMappings): void {
    this.#idMappings = idMappings(mappings)
  }

  get mountPoint(): string {
    return this.#mountPoint
  }

  setMountPoint(path: string): void {
    this.#mountPoint = text('mountPoint', path) ?? ''
  }

  get intermediateMountPoint(): string {
    return this.#intermediateMountPoint
  }

  setIntermediateMountPoint(path: string): void {
    this.#intermediateMountPoint = text('intermediateMountPoint', path) ?? ''
  }

  get seccompProfilePath(): string {
    return this.#seccompProfilePath
  }

  setSeccompProfilePath(path: string): void {
    this.#seccompProfilePath = text('seccompProfilePath', path) ?? ''
  }

  get volumes(): readonly ContainerVolume[] {
    return [...this.#volumes]
  }

  addVolume(volume: ContainerVolume): void {
    this.#volumes.push(containerVolume(volume))
  }

  /** A snapshot; reading it never waits and never spawns. Parity: State and StateNoLock. */
  get state(): ContainerState {
    return this.#view?.state ?? { ...initialState(this), ...this.#unregistered }
  }

  get status(): ContainerStatus | undefined {
    return this.state.status
  }

  get phase(): ContainerPhase {
    return this.#view?.phase ?? 'registered'
  }

  /** When the current phase was entered; of a container that a restart found at rest, since when it has been so. */
  get since(): Timestamp {
    return this.#view?.since ?? this.createdAt.toISOString()
  }

  /** What the current phase is waiting for, in words; undefined at rest. */
  get waitingFor(): string | undefined {
    return this.#view?.waitingFor
  }

  /** The commands that `startExec` was asked for and that have not ended, the oldest first; those that do not run yet as well. */
  get execs(): readonly ExecInfo[] {
    return this.#view?.execs ?? []
  }

  /** True once the container has been created. Parity: Created. */
  get created(): boolean {
    return this.#created || this.state.created !== undefined
  }

  /** Before registration only. Parity: SetCreated. */
  setCreated(): void {
    this.#assertUnregistered('setCreated')
    this.#created = true
  }

  /** Before registration only: records a failed start (started = finished = created). Parity: SetStartFailed. */
  setStartFailed(error: unknown): void {
    this.#assertUnregistered('setStartFailed')
    const at = this.state.created ?? this.createdAt.toISOString()
    this.#unregistered = {
      ...this.#unregistered,
      started: at,
      finished: at,
      ...(error == null ? {} : { error: messageOf(error) }),
    }
  }

  /** @internal Seeds the state of an unregistered container: from disk, or in tests (`setState` of `/testing`). */
  seedState(state: Partial<ContainerState>): void {
    this.#assertUnregistered('setState')
    this.#unregistered = { ...this.#unregistered, ...state }
  }

  /** @internal Invariant: once bound, the machine is the only writer of this container's state. */
  bindView(view: ContainerView): void {
    this.#view = view
  }

  #assertUnregistered(operation: Operation): void {
    if (this.#view === undefined) return
    throw new OciError(
      'ERR_WRONG_STATUS',
      `${operation} is for containers no runtime has registered; ${this.id} is ${this.phase}`,
      {
        containerId: this.id,
        operation,
        allowed: [],
      },
    )
  }
}

function initialState(container: Container): ContainerState {
  return {
    ociVersion: '1.0.2',
    id: container.id,
    status: undefined,
    pid: 0,
    bundle: container.bundlePath,
    annotations: container.annotations,
    created: undefined,
    started: undefined,
    finished: undefined,
    exitCode: undefined,
    oomKilled: false,
    error: undefined,
    exit: undefined,
    durable: true,
  }
}

function messageOf(error: unknown): string {
  if (isError(error)) return error.message
  return typeof error === 'string' ? error : `a ${typeof error} was thrown`
}
