/** The ports and the log of simulated containers. */
import { Duplex } from 'node:stream'
import type { Container } from '../../container.ts'
import { isError, messageOf, OciError } from '../../errors/index.ts'
import { joinStreams, type JoinEnd } from '../join-streams.ts'
import type { EffectOptions, ProcessIdentity } from '../runtime-impl.ts'
import { assertPort, portRefusedCode, type PortForwardRequest, type StreamEffects } from '../streams-port.ts'
import { monitorLost, notRunning, refusal } from './refusals.ts'
import type { SimulatedContainer } from './simulated-container.ts'
import { SimulatedPipe } from './simulated-pipe.ts'
import type { SimulatedListener } from './simulated-script.ts'
import { isInit } from './simulated-world.ts'
import type { Supervision } from './supervision.ts'

/** As long as RuntimeOCI asks a monitor that does not answer. */
const reopenMaxMs = 6000

export function simulatedStreams(supervision: Supervision): StreamEffects {
  return {
    reopenLog: (container, options) => reopenLog(supervision, container, options),
    portForward: (container, init, request, options) =>
      portForward(supervision, container, init, request, options),
  }
}

function reopenLog(
  { existing, clock, run }: Supervision,
  container: Container,
  { signal }: EffectOptions,
): Promise<void> {
  const { id } = container
  const look = existing(container)
  return run('reopenLog', container, signal, () => {
    const found = look()
    if (found?.monitor.alive !== true) throw monitorLost(id)
    return new Promise<void>((resolve, reject) => {
      const timer = clock.setTimeout(
        () => reject(refusal('ERR_TIMEOUT', id, 'has a monitor that does not answer')),
        reopenMaxMs,
      )
      signal.addEventListener('abort', () => reject(aborted(id, 'the reopening of the log', signal.reason)), {
        once: true,
      })
      found.monitor.whenListening(() => {
        clock.clearTimeout(timer)
        found.console.reopenLog()
        resolve()
      })
    })
  })
}

async function portForward(
  { existing, script, closing, run }: Supervision,
  container: Container,
  init: ProcessIdentity,
  { port, stream }: PortForwardRequest,
  { signal }: EffectOptions,
): Promise<void> {
  const { id } = container
  assertPort(port, { containerId: id })
  if (stream.destroyed) return
  const look = existing(container)
  const left = new AbortController()
  const leave = (): void => left.abort()
  // The client may leave before it is connected, and an error is one of its ways.
  stream.on('error', ignoreError).on('close', leave)
  for (const each of [signal, closing]) each.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    await run('portForward', container, left.signal, () => {
      stream.off('close', leave)
      const found = look()
      if (found === undefined || !isInit(found, init) || found.status === 'stopped') throw notRunning(id)
      const listener = found.process.started ? script.listenerAt(found.container, port) : undefined
      if (listener === undefined) {
        throw refusal(portRefusedCode, id, `has nobody who listens on port ${port}`)
      }
      return converse({ found, port, stream, left: left.signal }, connect(found, listener))
    })
  } catch (error) {
    // A client that leaves is the end of it, not a failure.
    if (!left.signal.aborted) throw error
  } finally {
    for (const each of [signal, closing]) each.removeEventListener('abort', leave)
    if (!stream.destroyed) stream.off('error', ignoreError).off('close', leave)
  }
  if (signal.aborted) throw aborted(id, 'the port forward', signal.reason)
  if (closing.aborted) throw new OciError('ERR_CLOSED', 'the runtime was closed', { containerId: id })
}

interface Connection {
  /** The client's end. */
  readonly outside: Duplex
  /** Resolves when the process has ended. */
  readonly gone: Promise<void>
  readonly forget: () => void
}

/** A connection with a process, which is not served while the process is frozen. */
function connect({ process }: SimulatedContainer, listener: SimulatedListener): Connection {
  const gate = process.whenRunnable
  const [toProcess, fromProcess] = [new SimulatedPipe({ gate }), new SimulatedPipe({ gate })]
  const inside = Duplex.from({ readable: toProcess.reader, writable: fromProcess.writer })
  const outside = Duplex.from({ readable: fromProcess.reader, writable: toProcess.writer })
  for (const end of [inside, outside]) end.on('error', ignoreError)
  const gone = Promise.withResolvers<void>()
  const forget = process.whenEnded(() => {
    toProcess.reader.destroy()
    // What it has said can still be read.
    fromProcess.closeWriter()
    gone.resolve()
  })
  try {
    listener(inside)
  } catch (error) {
    inside.destroy(isError(error) ? error : new Error(messageOf(error)))
  }
  return { outside, gone: gone.promise, forget }
}

interface Conversation {
  readonly found: SimulatedContainer
  readonly port: number
  readonly stream: Duplex
  readonly left: AbortSignal
}

async function converse(
  { found, port, stream, left }: Conversation,
  { outside, gone, forget }: Connection,
): Promise<void> {
  const over = new Promise<'left'>((resolve) =>
    left.addEventListener('abort', () => resolve('left'), { once: true }),
  )
  const end: JoinEnd | 'left' = await Promise.race([joinStreams(stream, outside, gone), over])
  forget()
  const broken = end === 'container' && found.process.alive
  // What the client has sent before it left still has its way to go.
  if (end === 'client' && stream.readableEnded) outside.resume()
  else outside.destroy()
  stream.destroy()
  if (broken) throw refusal('ERR_IO', found.id, `broke the connection to port ${port}`)
}

function aborted(containerId: string, what: string, cause: unknown): OciError {
  return new OciError('ERR_ABORTED', `${what} of container ${containerId} was aborted`, {
    containerId,
    cause,
  })
}

function ignoreError(): void {
  // Without a listener it would be an uncaught one.
}
