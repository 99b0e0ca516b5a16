/**
 * `state.json`: the form of a {@link StateRecord} on disk. It is CRI-O's file with one more key, `ociSupervisor`, so
 * that operators' tools keep working and one rename is one truth.
 *
 * - Times that are not known yet are Go's zero time, as CRI-O writes them; other times are kept to the letter.
 * - `status` is '' until the container is created.
 * - `exitCode` is written from the exit on, zero included, and 255 when the code is unknown. Before the exit it is absent:
 *   no version of CRI-O writes one then.
 * - `ociSupervisor.exit` is the truth about the exit; `exitCode` is derived from it, and ignored when we read our own file.
 * - A file without our key is another program's. It leaves out an exit code of zero (v1.14) or makes up 255, so a stopped
 *   container without a code, or with 255, has the unknown exit `legacy`.
 */
import { z } from 'zod'
import { isContainerId } from '../container-fields.ts'
import {
  containerStatuses,
  unknownExitReasons,
  type ContainerState,
  type ExitStatus,
  type Timestamp,
} from '../container.ts'
import { errorCodes } from '../errors/index.ts'
import { inferSignal } from '../signals.ts'
import { formatDocument, parseDocument, stringMapSchema, timestampSchema } from './documents.ts'
import { emptyOwnRecord, type OwnRecord, type StateRecord } from './state-record.ts'

/** Version of what stands under our key. A reader refuses a newer one instead of guessing. */
const stateVersion = 1

/** How much of `error` is stored; the rest is cut off. */
export const stateErrorMaxChars = 16_384

const goZeroTime = '0001-01-01T00:00:00Z'
const unknownExitCode = 255

/** Pid 1 is the host's own, and no number beyond is a pid. */
const pidMax = 0x7fff_ffff
const processSchema = z.object({
  pid: z.int().min(2).max(pidMax),
  startTicks: z.string().regex(/^\d{1,20}$/),
})

const exitEnd = { oomKilled: z.boolean(), finished: timestampSchema }
const exitSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('code'),
    code: z.int().min(0).max(255),
    inferredSignal: z.int().positive().optional(),
    ...exitEnd,
  }),
  z.object({ kind: z.literal('unknown'), why: z.enum(unknownExitReasons), ...exitEnd }),
])

const idMappingSchema = z.array(
  z.object({
    containerID: z.int().nonnegative(),
    hostID: z.int().nonnegative(),
    size: z.int().nonnegative(),
  }),
)

const settingsSchema = z.object({
  mountPoint: z.string().default(''),
  intermediateMountPoint: z.string().default(''),
  seccompProfilePath: z.string().default(''),
  idMappings: z.object({ uids: idMappingSchema, gids: idMappingSchema }).optional(),
  volumes: z
    .array(z.object({ containerPath: z.string(), hostPath: z.string(), readonly: z.boolean() }))
    .default([]),
})

const ownSchema = z.object({
  version: z
    .int()
    .min(1)
    .max(stateVersion, `must be at most ${stateVersion}: a newer release wrote the file`),
  exit: exitSchema.optional(),
  generation: z.int().nonnegative(),
  /** null is for ever: JSON has no Infinity, and JSON.stringify writes null for it. */
  stop: z.object({ timeoutMs: z.number().nonnegative().nullable(), requestedAt: timestampSchema }).optional(),
  since: timestampSchema.optional(),
  handler: z.string().optional(),
  runtimeRoot: z.string().optional(),
  init: processSchema.optional(),
  monitor: processSchema.optional(),
  bootId: z.string().optional(),
  monitorLost: timestampSchema.optional(),
  // A later release may know more codes.
  errorCode: z.enum(errorCodes).optional().catch(undefined),
  settings: settingsSchema.default(() => settingsSchema.parse({})),
})

const documentSchema = z.object({
  ociVersion: z.string(),
  id: z.string().refine(isContainerId, 'must be a container id'),
  status: z.enum(['', 'creating', ...containerStatuses]),
  pid: z.int().nonnegative().max(pidMax).default(0),
  bundle: z.string(),
  annotations: stringMapSchema.default(() => ({})),
  created: timestampSchema.optional(),
  started: timestampSchema.optional(),
  finished: timestampSchema.optional(),
  exitCode: z.int().optional(),
  oomKilled: z.boolean().default(false),
  error: z.string().optional(),
  ociSupervisor: ownSchema.optional(),
})

type StateDocument = z.output<typeof documentSchema>
type OwnDocument = z.output<typeof ownSchema>

/** The text of `state.json`. ERR_INVALID_ARGUMENT when it could not be read back: too large, or a malformed field. */
export function encodeState(record: StateRecord): string {
  const { state, own } = record
  const document = {
    ociVersion: state.ociVersion,
    id: state.id,
    status: state.status ?? '',
    pid: state.pid,
    bundle: state.bundle,
    annotations: state.annotations,
    created: state.created ?? goZeroTime,
    started: state.started ?? goZeroTime,
    finished: state.finished ?? goZeroTime,
    exitCode: compatibleExitCode(state),
    oomKilled: state.oomKilled,
    error: state.error?.slice(0, stateErrorMaxChars),
    ociSupervisor: {
      version: stateVersion,
      exit: state.exit,
      ...own,
    },
  }
  return formatDocument(document, documentSchema, 'state.json')
}

/** CRI-O's view of the exit. A stopped container always has a code in it, also while its exit is being looked into. */
function compatibleExitCode(state: ContainerState): number | undefined {
  if (state.exit !== undefined) return exitCodeOf(state.exit)
  return state.status === 'stopped' ? unknownExitCode : undefined
}

/** Reads the text of `file`. ERR_STATE_CORRUPT names the file and the field that is not as it should be. */
export function decodeState(text: string, file: string): StateRecord {
  const document = parseDocument(text, documentSchema, file)
  const own = document.ociSupervisor
  const exit = own === undefined ? legacyExit(document) : ownExit(own)
  const status = document.status === '' || document.status === 'creating' ? undefined : document.status
  const state: ContainerState = {
    ociVersion: document.ociVersion,
    id: document.id,
    status,
    pid: document.pid,
    bundle: document.bundle,
    annotations: document.annotations,
    created: unlessZero(document.created),
    started: unlessZero(document.started),
    finished: unlessZero(document.finished),
    exitCode: exit && exitCodeOf(exit),
    oomKilled: document.oomKilled,
    error: document.error === '' ? undefined : document.error,
    exit,
    durable: true,
  }
  return { state, own: own === undefined ? emptyOwnRecord : toOwnRecord(own) }
}

function exitCodeOf(exit: ExitStatus): number {
  return exit.kind === 'code' ? exit.code : unknownExitCode
}

function unlessZero(time: Timestamp | undefined): Timestamp | undefined {
  return time === goZeroTime ? undefined : time
}

function ownExit(own: OwnDocument): ExitStatus | undefined {
  const { exit } = own
  if (exit === undefined) return undefined
  return exit.kind === 'code' ? { ...exit, inferredSignal: exit.inferredSignal } : exit
}

/** The exit in a file that another program wrote. */
function legacyExit(document: StateDocument): ExitStatus | undefined {
  if (document.status !== 'stopped') return undefined
  const end = { oomKilled: document.oomKilled, finished: document.finished ?? goZeroTime }
  const code = document.exitCode
  if (code === undefined || code < 0 || code >= unknownExitCode) {
    return { kind: 'unknown', why: 'legacy', ...end }
  }
  return { kind: 'code', code, inferredSignal: inferSignal(code), ...end }
}

function toOwnRecord(own: OwnDocument): OwnRecord {
  return {
    generation: own.generation,
    stop: own.stop && { ...own.stop, timeoutMs: own.stop.timeoutMs ?? Infinity },
    since: own.since,
    handler: own.handler,
    runtimeRoot: own.runtimeRoot,
    init: own.init,
    monitor: own.monitor,
    bootId: own.bootId,
    monitorLost: own.monitorLost,
    errorCode: own.errorCode,
    settings: { ...own.settings, idMappings: own.settings.idMappings },
  }
}
