/**
 * The streams of a command that a shim runs: they are the caller's, who sets the pace. No log, no hub, and nothing that
 * the next supervisor could go on with.
 */
import type { Readable } from 'node:stream'
import type { Logger } from '../../../surroundings/logger.ts'
import { FifoEnd, readFifo, type FifoReadable } from '../../fifo.ts'
import { InputFifo } from './input-fifo.ts'
import { makeStreamFifos, removeStreamFifos } from './stream-fifos.ts'
import type {
  ExecPipes,
  ExecStreams,
  ExecStreamsSpec,
  StreamControl,
  StreamPaths,
  StreamsWorld,
} from './streams.ts'

/** The shim may be told of the paths when this has resolved. Throws ERR_IO, and what the source of FIFOs throws. */
export async function makeExecStreams(
  world: StreamsWorld,
  spec: ExecStreamsSpec,
  control: Pick<StreamControl, 'closeStdin'>,
): Promise<ExecStreams> {
  const { directory, terminal, stdin } = spec
  // Also outputs that nobody wants: runc's shim cannot do with some of the three.
  const paths = await makeStreamFifos(world, directory, { stdin, stdout: true, stderr: !terminal })
  const ends: FifoEnd[] = []
  try {
    for (const path of [paths.stdout, paths.stderr]) if (path !== '') ends.push(FifoEnd.toRead(path))
    return new Streams(world.logger, spec, { paths, ends, control })
  } catch (error) {
    for (const end of ends) end.abandon()
    await removeStreamFifos(directory)
    throw error
  }
}

interface Opened {
  readonly paths: StreamPaths
  readonly ends: readonly FifoEnd[]
  readonly control: Pick<StreamControl, 'closeStdin'>
}

class Streams implements ExecStreams {
  readonly paths: StreamPaths
  readonly #logger: Logger
  readonly #spec: ExecStreamsSpec
  readonly #stdin: InputFifo | undefined
  readonly #ends: readonly FifoEnd[]
  #outputs: readonly FifoReadable[] = []

  constructor(logger: Logger, spec: ExecStreamsSpec, { paths, ends, control }: Opened) {
    this.paths = paths
    this.#logger = logger
    this.#spec = spec
    this.#ends = ends
    const closeStdin = (): Promise<void> => control.closeStdin()
    const complain = (err: unknown): void => this.#complain(err, 'the end of stdin was not passed on')
    if (paths.stdin === '') return
    this.#stdin = new InputFifo(paths.stdin, { closeStdin, complain, keepsAlive: true })
  }

  starting(): void {
    this.#stdin?.starting()
  }

  started(): ExecPipes {
    this.#stdin?.started()
    this.#outputs = this.#ends.map((end) => readFifo(end))
    const [stdout, stderr] = this.#outputs
    return {
      stdin: this.#stdin,
      stdout: wanted(stdout, this.#spec.stdout),
      stderr: wanted(stderr, this.#spec.stderr),
    }
  }

  async exited(quietMs: number): Promise<void> {
    this.#stdin?.leave()
    for (const output of this.#outputs) output.endWhenQuiet(quietMs)
    await this.#remove()
  }

  discard(): void {
    this.#stdin?.destroy()
    for (const output of this.#outputs) output.discard()
  }

  async close(): Promise<void> {
    this.#stdin?.leave()
    for (const end of this.#ends) end.abandon()
    for (const { stream } of this.#outputs) stream.destroy()
    await this.#remove()
  }

  async #remove(): Promise<void> {
    await removeStreamFifos(this.#spec.directory).catch((err: unknown) =>
      this.#complain(err, 'the FIFOs of a command were not removed'),
    )
  }

  #complain(err: unknown, message: string): void {
    this.#logger.warn({ containerId: this.#spec.containerId, err }, message)
  }
}

function wanted(output: FifoReadable | undefined, isWanted: boolean): Readable | undefined {
  if (isWanted) return output?.stream
  output?.discard()
  return undefined
}
