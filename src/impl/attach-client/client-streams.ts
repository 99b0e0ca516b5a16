/**
 * Ties a client's own streams to a session and notices how it ends, whichever side ends it.
 *
 * The client's streams are the client's: they get listeners for as long as the session lasts, and are never ended or
 * destroyed here.
 */
import { finished, type Readable, type Writable } from 'node:stream'
import { OciError } from '../../errors/index.ts'
import { waitingClock, type Clock } from '../../surroundings/clock.ts'
import type { AttachEnd } from '../attach-port.ts'
import { DetachKeys } from './detach-keys.ts'

/** What a client is tied to: the streams of a container, however they are come by. */
export interface StreamSession {
  /** Both are read, or told to `resume`. They end with the session. */
  readonly stdout: Readable
  readonly stderr: Readable
  /** Calls a write back when the container's side has it. `end` says that this client has no more input. */
  readonly stdin: Writable
  /** Never rejects. `exited` also while output still waits to be read. */
  readonly ended: Promise<{ readonly reason: AttachEnd['reason'] | 'absent' | 'refused' }>
  close(): void
}

export interface ClientStreams {
  readonly stdin: Readable | undefined
  readonly stdout: Writable | undefined
  readonly stderr: Writable | undefined
  readonly detachKeys: Buffer
  /** False: what is typed is read for the keys only. */
  readonly takesInput: boolean
}

/** How long a client that was not too slow so far may take for the last of the output. */
const lastOutputMaxMs = 10_000
/** How long a container may take for what was typed before the keys. */
const lastInputMaxMs = 10_000

const notBytes = 'stdin must give bytes or text'

function isBytes(chunk: unknown): chunk is Buffer {
  return ArrayBuffer.isView(chunk)
}

type End = (reason: AttachEnd['reason'], error?: Error) => void

/** Resolves when the session is over and the streams are free again. Never rejects. */
export async function tie(
  session: StreamSession,
  client: ClientStreams,
  clock: Clock = waitingClock,
): Promise<AttachEnd> {
  const { promise: clientEnd, resolve } = Promise.withResolvers<AttachEnd>()
  const end: End = (reason, error) => resolve({ reason, error })
  const outputs = [pumpOut(session.stdout, client.stdout, end), pumpOut(session.stderr, client.stderr, end)]
  const untieInput =
    client.stdin === undefined ? undefined : pumpIn(client.stdin, session, client, { end, clock })
  const first = await Promise.race([clientEnd, sessionEnd(session)])
  untieInput?.()
  const last = first.reason === 'exited' ? await lastOutput(outputs, clientEnd, clock) : first
  for (const output of outputs) output.untie()
  session.close()
  return last
}

async function sessionEnd(session: StreamSession): Promise<AttachEnd> {
  const { reason } = await session.ended
  // The other two are answers to opening a session, which this one has behind it.
  if (reason === 'absent' || reason === 'refused') return { reason: 'lost', error: undefined }
  return { reason, error: undefined }
}

interface Output {
  readonly done: Promise<void>
  untie(): void
}

async function lastOutput(
  outputs: readonly Output[],
  clientEnd: Promise<AttachEnd>,
  clock: Clock,
): Promise<AttachEnd> {
  const late = Promise.withResolvers<'dropped'>()
  const timer = clock.setTimeout(() => late.resolve('dropped'), lastOutputMaxMs)
  const written = Promise.all(outputs.map(({ done }) => done)).then(() => 'exited' as const)
  const how = await Promise.race([written, late.promise, clientEnd])
  clock.clearTimeout(timer)
  return typeof how === 'string' ? { reason: how, error: undefined } : how
}

function pumpOut(source: Readable, target: Writable | undefined, end: End): Output {
  const done = new Promise<void>((resolve) => source.once('end', resolve))
  if (target === undefined) {
    source.resume()
    return { done, untie: () => undefined }
  }
  const forget = finished(target, { readable: false }, (error) =>
    end('streamFailed', error ?? closedStream()),
  )
  target.on('error', ignoreError)
  source.pipe(target, { end: false })
  const untie = () => {
    forget()
    source.unpipe(target)
    source.resume()
    target.off('error', ignoreError)
  }
  return { done, untie }
}

function pumpIn(
  source: Readable,
  session: StreamSession,
  { detachKeys, takesInput }: ClientStreams,
  { end, clock }: { readonly end: End; readonly clock: Clock },
): () => void {
  const keys = new DetachKeys(detachKeys)
  const { stdin } = session
  const forward = (bytes: Buffer) => {
    if (!takesInput || bytes.length === 0 || stdin.write(bytes)) return
    source.pause()
    stdin.once('drain', () => source.resume())
  }
  const onData = (chunk: unknown) => {
    if (typeof chunk !== 'string' && !isBytes(chunk)) {
      end('streamFailed', new OciError('ERR_INVALID_ARGUMENT', notBytes, { field: 'stdin' }))
      return
    }
    const { forward: bytes, detach } = keys.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
    forward(bytes)
    if (!detach) return
    source.off('data', onData)
    source.pause()
    void taken(stdin, clock).then(() => end('detached'))
  }
  const forget = finished(source, { writable: false }, (error) => {
    if (error !== undefined && error !== null) return end('streamFailed', error)
    forward(keys.rest())
    if (takesInput) stdin.end()
  })
  source.on('error', ignoreError)
  source.on('data', onData)
  return () => {
    forget()
    source.off('data', onData)
    source.off('error', ignoreError)
    source.pause()
  }
}

/** Waits until what was written is with the monitor, unless that takes too long. */
async function taken(stdin: Writable, clock: Clock): Promise<void> {
  if (stdin.writableLength === 0) return
  const late = Promise.withResolvers<void>()
  const timer = clock.setTimeout(late.resolve, lastInputMaxMs)
  await Promise.race([new Promise<void>((resolve) => stdin.write('', () => resolve())), late.promise])
  clock.clearTimeout(timer)
}

function closedStream(): Error {
  return new Error('the stream was ended or closed by its owner')
}

/** `finished` has told us of it, or the session is over and it is the owner's business. */
function ignoreError(): void {
  // Without a listener Node would end the embedder's process.
}
