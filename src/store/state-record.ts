/**
 * What a container's state file holds, as plain data: the state in the seed's shape and what only this library needs to
 * take a container up again after a restart. Deliberately not here: its form on disk (state-codec.ts).
 */
import type { Container, ContainerState, ContainerVolume, IdMappings, Timestamp } from '../container.ts'
import type { ErrorCode } from '../errors/index.ts'

/** A process by pid and start time (field 22 of /proc/PID/stat, in clock ticks since boot). */
export interface ProcessRecord {
  readonly pid: number
  readonly startTicks: string
}

/** A stop that was asked for and not finished: a restart resumes it with what is left of its time. */
export interface StopRequest {
  /** 0 kills at once; Infinity never escalates. */
  readonly timeoutMs: number
  readonly requestedAt: Timestamp
}

/** What the setters of a Container were given. The spec is not among it: it is the bundle's. */
export interface ContainerSettings {
  readonly mountPoint: string
  readonly intermediateMountPoint: string
  readonly seccompProfilePath: string
  readonly idMappings: IdMappings | undefined
  readonly volumes: readonly ContainerVolume[]
}

/** What stands under our own key of state.json, but for the exit, which is part of the state. */
export interface OwnRecord {
  /** How many times a container of this id was started; tells a late exit from the present one's. */
  readonly generation: number
  readonly stop: StopRequest | undefined
  /** Since when the container has had its status: `created`, `running`, `paused` or `stopped`. */
  readonly since: Timestamp | undefined
  /** The handler and the runtime's root that the container was created with, whatever the configuration says today. */
  readonly handler: string | undefined
  readonly runtimeRoot: string | undefined
  readonly init: ProcessRecord | undefined
  readonly monitor: ProcessRecord | undefined
  /** The boot during which `init` and `monitor` were seen: after another one their pids mean nothing. */
  readonly bootId: string | undefined
  /** When the monitor was seen to be dead while the container lived. */
  readonly monitorLost: Timestamp | undefined
  /** The code of `state.error`, whose text alone says nothing to a program. */
  readonly errorCode: ErrorCode | undefined
  readonly settings: ContainerSettings
}

export interface StateRecord {
  /** `durable` is not stored: what was read from disk is. */
  readonly state: ContainerState
  readonly own: OwnRecord
}

/** What is known of a container whose state file another program wrote. */
export const emptyOwnRecord: OwnRecord = Object.freeze({
  generation: 0,
  stop: undefined,
  since: undefined,
  handler: undefined,
  runtimeRoot: undefined,
  init: undefined,
  monitor: undefined,
  bootId: undefined,
  monitorLost: undefined,
  errorCode: undefined,
  settings: Object.freeze({
    mountPoint: '',
    intermediateMountPoint: '',
    seccompProfilePath: '',
    idMappings: undefined,
    volumes: Object.freeze([]),
  }),
})

export function settingsOf(container: Container): ContainerSettings {
  const { mountPoint, intermediateMountPoint, seccompProfilePath, idMappings, volumes } = container
  return { mountPoint, intermediateMountPoint, seccompProfilePath, idMappings, volumes }
}

/** Gives a container the settings of an earlier run. What has been set on it since wins. */
export function restoreSettings(container: Container, settings: ContainerSettings): void {
  if (container.mountPoint === '') container.setMountPoint(settings.mountPoint)
  if (container.intermediateMountPoint === '') {
    container.setIntermediateMountPoint(settings.intermediateMountPoint)
  }
  if (container.seccompProfilePath === '') container.setSeccompProfilePath(settings.seccompProfilePath)
  if (container.idMappings === undefined && settings.idMappings !== undefined) {
    container.setIdMappings(settings.idMappings)
  }
  if (container.volumes.length > 0) return
  for (const volume of settings.volumes) container.addVolume(volume)
}
