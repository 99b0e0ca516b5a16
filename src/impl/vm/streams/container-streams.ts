/**
 * The streams of one container: what it writes goes into its log and to whoever is attached, what they type goes to it.
 *
 * A chunk is read when the log has taken the one before and no client holds up the container. So a supervisor that is
 * killed takes one chunk with it (64 KiB per output), and one that is closed takes nothing: the rest is in the pipes,
 * for as long as the shim or the next supervisor has them open.
 */
import type { LogStream } from '../../../container-log/log-entry.ts'
import { OciError } from '../../../errors/index.ts'
import type { Logger } from '../../../surroundings/logger.ts'
import { checkedKeys } from '../../attach-client/attach-options.ts'
import { tie } from '../../attach-client/client-streams.ts'
import { followSizes, LatestSize } from '../../attach-client/terminal-sizes.ts'
import type { AttachEnd, AttachOptions, AttachSession } from '../../attach-port.ts'
import { InputFifo } from './input-fifo.ts'
import { LogWriter } from './log-writer.ts'
import { OutputFifo } from './output-fifo.ts'
import { OutputHub, type HubInput } from './output-hub.ts'
import { makeStreamFifos, removeStreamFifos, streamPaths, type WantedStreams } from './stream-fifos.ts'
import type {
  ContainerStreams,
  ContainerStreamsSpec,
  StreamControl,
  StreamPaths,
  StreamsWorld,
} from './streams.ts'

/**
 * Of a container that is about to be created: the shim may be told of the paths when this has resolved. Throws
 * ERR_INVALID_ARGUMENT (field `logPath`), ERR_IO, and what the source of FIFOs throws; then nothing is left.
 */
export async function makeContainerStreams(
  world: StreamsWorld,
  spec: ContainerStreamsSpec,
  control: StreamControl,
): Promise<ContainerStreams> {
  const paths = await makeStreamFifos(world, spec.directory, wantedStreams(spec))
  try {
    return await openStreams(world.logger, spec, { paths, control }, (log) => log.open())
  } catch (error) {
    await removeStreamFifos(spec.directory)
    throw error
  }
}

/**
 * Of a container that runs, after a restart of ours. The log of one that a full or broken disk refuses is tried again
 * with every chunk. Throws ERR_IO when the FIFOs are gone.
 */
export async function resumeContainerStreams(
  { logger }: Pick<StreamsWorld, 'logger'>,
  spec: ContainerStreamsSpec,
  control: StreamControl,
): Promise<ContainerStreams> {
  const paths = streamPaths(spec.directory, wantedStreams(spec))
  const streams = await openStreams(logger, spec, { paths, control }, (log) =>
    log.open().catch((err: unknown) => {
      logger.error({ containerId: spec.containerId, file: spec.logPath, err }, 'a log was not opened')
    }),
  )
  streams.started()
  return streams
}

function wantedStreams({ terminal, stdin }: ContainerStreamsSpec): WantedStreams {
  return { stdin: stdin || terminal, stdout: true, stderr: !terminal }
}

interface StreamsOnDisk {
  readonly paths: StreamPaths
  readonly control: StreamControl
}

async function openStreams(
  logger: Logger,
  spec: ContainerStreamsSpec,
  onDisk: StreamsOnDisk,
  openLog: (log: LogWriter) => Promise<void>,
): Promise<ContainerStreams> {
  const streams = new Streams(logger, spec, onDisk)
  try {
    await openLog(streams.log)
    streams.read()
    return streams
  } catch (error) {
    await streams.close()
    throw error
  }
}

/** What the pipes of a shim that died still hold is there at once. */
const lostDrainMs = 500

class Streams implements ContainerStreams {
  readonly paths: StreamPaths
  readonly log: LogWriter
  readonly #logger: Logger
  readonly #spec: ContainerStreamsSpec
  readonly #control: StreamControl
  readonly #hub: OutputHub
  readonly #input: InputFifo | undefined
  readonly #size: LatestSize
  #outputs: readonly OutputFifo[] = []
  #over: Promise<boolean> | undefined

  constructor(logger: Logger, spec: ContainerStreamsSpec, { paths, control }: StreamsOnDisk) {
    const { containerId, logPath, logSizeMaxBytes } = spec
    this.paths = paths
    this.#logger = logger
    this.#spec = spec
    this.#control = control
    const onFree = (): void => this.#pace()
    const file = { containerId, path: logPath, sizeMaxBytes: logSizeMaxBytes }
    this.log = new LogWriter(file, { logger, onFree })
    this.#input = paths.stdin === '' ? undefined : this.#openInput()
    this.#hub = new OutputHub({ containerId, input: this.#hubInput(), onFree })
    this.#size = new LatestSize((size) => control.resize(size))
  }

  get lostBytes(): number {
    return this.log.lostBytes
  }

  /** Throws ERR_IO. */
  read(): void {
    const { stdout, stderr } = this.paths
    this.#open(stdout, 'stdout')
    if (stderr !== '') this.#open(stderr, 'stderr')
  }

  starting(): void {
    this.#input?.starting()
  }

  started(): void {
    this.#input?.started()
    for (const output of this.#outputs) output.writerCame()
  }

  async attach(options: AttachOptions, signal: AbortSignal): Promise<AttachSession> {
    const { containerId: id, terminal, stdin: hasStdin } = this.#spec
    const detachKeys = checkedKeys({ id, terminal }, options)
    if (signal.aborted) {
      throw new OciError('ERR_ABORTED', 'nobody waits for this any more', {
        containerId: id,
        cause: signal.reason,
      })
    }
    const { stdin, stdout, stderr, resize$, bufferMaxBytes } = options
    const client = this.#hub.join(bufferMaxBytes)
    const over = new AbortController()
    const close = (): void => client.close()
    signal.addEventListener('abort', close, { once: true })
    const takesInput = hasStdin || terminal
    const ended = tie(client, { stdin, stdout, stderr, detachKeys, takesInput }).then((end): AttachEnd => {
      over.abort()
      signal.removeEventListener('abort', close)
      return end
    })
    if (resize$ !== undefined && terminal) {
      const complain = (err: unknown): void => {
        if (!over.signal.aborted) this.#complain(err, 'the size of a terminal was not set')
      }
      await followSizes(resize$, { set: (size) => this.#size.set(size), complain, over: over.signal })
    }
    return { ended, close }
  }

  reopenLog(signal: AbortSignal): Promise<void> {
    return this.log.reopen(signal)
  }

  drain(limitMs: number): Promise<boolean> {
    this.#over ??= this.#drain(limitMs, 'exited')
    return this.#over
  }

  async lose(): Promise<void> {
    this.#over ??= this.#drain(lostDrainMs, 'lost')
    await this.#over
  }

  async close(): Promise<void> {
    this.#over ??= this.#end('closed').then(() => false)
    await this.#over
  }

  async #drain(limitMs: number, reason: 'exited' | 'lost'): Promise<boolean> {
    for (const output of this.#outputs) output.writerCame()
    const ends = Promise.all(this.#outputs.map(({ ended }) => ended))
    const isDrained = await isDoneWithin(ends, limitMs)
    await this.#end(reason)
    return isDrained
  }

  async #end(reason: 'exited' | 'lost' | 'closed'): Promise<void> {
    for (const output of this.#outputs) output.close()
    this.#input?.leave()
    await this.log.close()
    this.#hub.end(reason)
  }

  #open(path: string, stream: LogStream): void {
    const onChunk = (chunk: Uint8Array): void => {
      this.#hub.push(stream, chunk)
      this.log.push(stream, chunk)
      this.#pace()
    }
    this.#outputs = [...this.#outputs, new OutputFifo(path, onChunk)]
  }

  #pace(): void {
    const isHeld = this.log.isBusy || this.#hub.isHeldUp
    for (const output of this.#outputs) {
      if (isHeld) output.hold()
      else output.release()
    }
  }

  #openInput(): InputFifo {
    return new InputFifo(this.paths.stdin, {
      closeStdin: () => this.#control.closeStdin(),
      complain: (err) => this.#complain(err, "the end of a container's input was not passed on"),
      keepsAlive: false,
    })
  }

  /** Parity: conmon. Without leave-stdin-open stdin ends with whoever leaves, and only then with a client's own end. */
  #hubInput(): HubInput | undefined {
    const input = this.#input
    if (input === undefined) return undefined
    const endsWithClient = this.#spec.stdinOnce && !this.#spec.terminal
    const end = (): void => {
      if (endsWithClient && !input.destroyed) input.end()
    }
    return {
      write: (chunk, done) => {
        if (input.writableEnded || input.destroyed) done()
        else input.write(chunk, done)
      },
      end,
      left: end,
    }
  }

  #complain(err: unknown, message: string): void {
    if (this.#over === undefined) this.#logger.warn({ containerId: this.#spec.containerId, err }, message)
  }
}

async function isDoneWithin(done: Promise<unknown>, limitMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>()
  // What had come by then is read first, also after a stall of the event loop.
  const timer = setTimeout(() => setImmediate(() => resolve(false)), limitMs)
  try {
    return await Promise.race([done.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
