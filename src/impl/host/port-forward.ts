/**
 * Port forwarding: socat in the container's network namespace connects to the port and then to a socket of ours.
 *
 * The namespaces are held by descriptors from before the process is identified, so what socat enters is the container's
 * whatever becomes of its pid. Deliberately not here: UDP, and a listener on the host, which is the embedder's.
 */
import type { Socket } from 'node:net'
import type { Container } from '../../container.ts'
import { OciError, toOciError, type ErrorCode, type FailedCommand } from '../../errors/index.ts'
import { whenAborted, within } from '../launcher/deadlines.ts'
import type { CommandResult, Launcher } from '../launcher/launcher.ts'
import { observeProcess } from '../process-identity.ts'
import type { EffectOptions, ProcessIdentity } from '../runtime-impl.ts'
import { assertPort, portRefusedCode, type PortForwardRequest } from '../streams-port.ts'
import { failedCommand } from './failed-command.ts'
import { searchPath } from '../search-path.ts'
import { joinStreams, type JoinEnd } from '../join-streams.ts'
import { holdNamespaces, noPorts } from './held-namespaces.ts'
import { findProgram } from './programs.ts'
import {
  readSocatBreak,
  readSocatFailure,
  socatArguments,
  type LoopbackAddress,
  type SocatFailure,
} from './socat.ts'
import { openStreamSocket, type StreamSocket } from './stream-socket.ts'
import { throwIfAborted, untilAborted } from './waiting.ts'
import type { HostWorld } from './world.ts'

/** Spawning waits for its turn in the launcher; beyond this nobody is there who still wants the connection. */
const connectTimeoutMs = 30_000
/** Between the end of a conversation, or of socat, and what the other of the two says of it. */
const endGraceMs = 2000
/** For what a client has sent before it left. */
const clientLeftMs = 10_000
/** No timer of Node holds more. */
const sessionMaxMs = 2 ** 31 - 1

type ForwardWorld = Pick<HostWorld, 'config' | 'environment' | 'programs'> & {
  readonly launcher: Pick<Launcher, 'run'>
}

interface Scope {
  readonly world: ForwardWorld
  readonly container: Container
  readonly init: ProcessIdentity
  readonly request: PortForwardRequest
  /** Aborted by the caller, and by us when it is over: ends socat. */
  readonly stop: AbortController
}

/** A run of socat that never called us. */
interface FailedConnection extends SocatFailure {
  readonly command: FailedCommand
}

/** How a run of socat ended; an error is the launcher's. */
type SocatEnd = { readonly result: CommandResult } | { readonly error: OciError }

interface Connection {
  readonly argv: readonly string[]
  readonly socket: Socket
  readonly ended: Promise<SocatEnd>
}

/**
 * See {@link StreamEffects.portForward}. Rejects with ERR_INVALID_ARGUMENT, ERR_NOT_RUNNING, {@link portRefusedCode} when nobody
 * listens on 127.0.0.1 or [::1], ERR_UNSUPPORTED when nsenter or socat is missing, ERR_TIMEOUT, ERR_ABORTED, ERR_BUSY,
 * ERR_IO when the connection broke, and what the launcher throws.
 */
export async function portForward(
  world: ForwardWorld,
  container: Container,
  init: ProcessIdentity,
  request: PortForwardRequest,
  { signal }: EffectOptions,
): Promise<void> {
  assertPort(request.port, { containerId: container.id })
  throwIfAborted(signal)
  const { stream } = request
  if (stream.destroyed) return
  const stop = new AbortController()
  const abort = () => stop.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  let left = false
  const leave = () => {
    left = true
    stop.abort()
  }
  // The client may leave before it is connected, and an error is one of its ways.
  stream.on('error', ignoreError).on('close', leave)
  try {
    const scope = { world, container, init, request, stop }
    const connecting = connect(scope).finally(() => stream.off('close', leave))
    // Socat's end is the launcher's to tell, who may not answer: whoever gives up does not wait for it.
    await untilAborted(
      connecting.then((connection) => converse(scope, connection, signal)),
      signal,
    )
  } catch (error) {
    throwIfAborted(signal)
    if (!left) throw error
  } finally {
    signal.removeEventListener('abort', abort)
    if (!stream.destroyed) stream.off('error', ignoreError)
    stop.abort()
  }
}

/** The address that answers: most listen on IPv4 or on both, some on IPv6 only. */
async function connect(scope: Scope): Promise<Connection> {
  const { world, container, init, request, stop } = scope
  const programs = {
    nsenter: await programPath(world, 'nsenter', 'util-linux'),
    socat: await programPath(world, 'socat', 'socat'),
  }
  const namespaces = await holdNamespaces(container, init)
  try {
    const attempt = (address: LoopbackAddress) =>
      connectTo(scope, (name) => socatArguments(programs, namespaces.paths, address, request.port, name))
    const first = await attempt('TCP4:127.0.0.1')
    if ('socket' in first) return first
    if (first.kind !== 'unreachable') throw connectError(scope, first)
    throwIfAborted(stop.signal)
    const second = await attempt('TCP6:[::1]')
    if ('socket' in second) return second
    // Its port is refused because it has just ended.
    if ((await observeProcess(init)) === 'gone') throw noPorts(container)
    throw connectError(scope, first)
  } finally {
    await namespaces.close()
  }
}

async function connectTo(
  scope: Scope,
  argvFor: (socketName: string) => readonly [string, ...string[]],
): Promise<Connection | FailedConnection> {
  const { world, container, request, stop } = scope
  const meeting = await openStreamSocket(`${world.config.runDir}/forward`)
  const attempt = new AbortController()
  try {
    const argv = argvFor(meeting.name)
    const signal = AbortSignal.any([stop.signal, attempt.signal])
    const ended = runSocat(world, argv, meeting, signal)
    const met = await firstOf(meeting.connection, ended)
    if (met === 'late') {
      attempt.abort()
      const end = await ended
      const command = failedCommand(
        argv,
        'result' in end ? { ...end.result, timedOut: true } : { timedOut: true },
      )
      const message = `port ${request.port} of container ${container.id} was not connected within ${connectTimeoutMs} ms`
      throw new OciError('ERR_TIMEOUT', message, { containerId: container.id, command })
    }
    if (!('result' in met) && !('error' in met)) return { argv, socket: met, ended }
    if ('error' in met) throw met.error
    return { ...readSocatFailure(met.result), command: failedCommand(argv, met.result) }
  } finally {
    await meeting.close()
  }
}

function runSocat(
  { launcher }: ForwardWorld,
  argv: readonly [string, ...string[]],
  { directory }: StreamSocket,
  signal: AbortSignal,
): Promise<SocatEnd> {
  // Nothing of the environment: their words have to be in the language that we read.
  const command = {
    argv,
    env: {},
    cwd: directory,
    timeoutMs: sessionMaxMs,
    stdoutMaxBytes: 0,
    longLived: true,
  }
  return launcher.run(command, signal).then(
    (result) => ({ result }),
    (error: unknown) => ({ error: toOciError(error, 'ERR_INTERNAL') }),
  )
}

/** A connection made in the last moment of a short socat may be heard of after its end. */
async function firstOf(
  connection: Promise<Socket>,
  ended: Promise<SocatEnd>,
): Promise<Socket | SocatEnd | 'late'> {
  const first = await within(Promise.race([connection, ended]), connectTimeoutMs)
  if (first === undefined) return 'late'
  if (!('result' in first) || first.result.exitCode !== 0) return first
  return (await within(connection, endGraceMs)) ?? first
}

async function converse(scope: Scope, connection: Connection, signal: AbortSignal): Promise<void> {
  const { request, stop } = scope
  const { stream } = request
  const { socket, ended } = connection
  const end = await Promise.race([joinStreams(stream, socket, ended), whenAborted(stop.signal)])
  const failure = end === 'abort' ? undefined : await afterwards(scope, connection, end)
  stop.abort()
  socket.destroy()
  // Nobody waits for socat's end any more.
  if (end === 'abort') stream.destroy()
  await ended
  stream.destroy()
  throwIfAborted(signal)
  if (failure !== undefined) throw failure
}

/** Socat has nothing left to do, or soon, and says how it went. */
async function afterwards(
  scope: Scope,
  { argv, socket, ended }: Connection,
  end: JoinEnd,
): Promise<OciError | undefined> {
  if (end === 'client') {
    // What it has sent still has its way to go; what comes back has nowhere to go.
    socket.resume()
    if (scope.request.stream.readableEnded)
      await Promise.race([within(ended, clientLeftMs), whenAborted(scope.stop.signal)])
    return undefined
  }
  const outcome = await within(ended, endGraceMs)
  return outcome === undefined ? undefined : failureOf(scope, argv, outcome, end)
}

function failureOf(
  { container, request }: Scope,
  argv: readonly string[],
  outcome: SocatEnd,
  end: JoinEnd,
): OciError | undefined {
  // The launcher's death took socat's exit code with it, but both sides have said all they had to say.
  if ('error' in outcome) return end === 'both' ? undefined : outcome.error
  const reason = readSocatBreak(outcome.result)
  if (reason === undefined) return undefined
  const what = `the connection to port ${request.port} of container ${container.id} broke`
  const command = failedCommand(argv, outcome.result)
  const details = { containerId: container.id, command }
  return new OciError('ERR_IO', `${what}: ${reason}`, details)
}

async function programPath(world: ForwardWorld, name: string, packageName: string): Promise<string> {
  const path = searchPath(world.environment)
  const key = `${name}\0${path}`
  const found = world.programs.get(key) ?? findProgram(name, path)
  world.programs.set(key, found)
  const file = await found
  if (file !== undefined) return file
  // It may be installed later.
  world.programs.delete(key)
  const message = `there is no ${name} on PATH (${path}); install the package ${packageName} to forward ports`
  throw new OciError('ERR_UNSUPPORTED', message)
}

function connectError({ container, request }: Scope, failure: FailedConnection): OciError {
  const { kind, message, command } = failure
  const codes: Record<SocatFailure['kind'], ErrorCode> = {
    unreachable: portRefusedCode,
    forbidden: 'ERR_UNSUPPORTED',
    other: 'ERR_RUNTIME_FAILED',
  }
  const what = `port ${request.port} of container ${container.id} cannot be reached on its loopback interface`
  return new OciError(codes[kind], `${what}: ${message}`, { containerId: container.id, command })
}

function ignoreError(): void {
  // Without a listener it would be an uncaught one.
}
