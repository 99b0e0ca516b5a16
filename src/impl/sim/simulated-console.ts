/**
 * What the monitor of a simulated container has in its hands: the container's streams, its log and the clients that are
 * attached. It always reads, so no client holds up the container for more than a moment.
 *
 * Deliberately not here: what a client does with its own streams (attach-client/client-streams.ts), and files: the log is text
 * in memory.
 */
import { Writable } from 'node:stream'
import type { Clock } from '../../surroundings/clock.ts'
import type { Container } from '../../container.ts'
import type { TerminalSize } from '../terminal-size.ts'
import { AttachedClient, type OutputName } from './attached-client.ts'
import { noInput, SimulatedPipe, whenFlushed, type Gate } from './simulated-pipe.ts'
import type { ProcessStreams } from './simulated-process.ts'

/** The oldest of a log goes when there is more. */
const logMaxBytes = 1_048_576
const logsMax = 100
const clientsMax = 1024

export interface ConsoleOptions {
  readonly container: Container
  readonly clock: Clock
  /** The process's. */
  readonly gate: Gate
  /** The monitor's: it hears and says nothing while it is muted. */
  readonly attention: Gate
}

export class SimulatedConsole {
  readonly takesInput: boolean
  readonly #options: ConsoleOptions
  readonly #clients = new Set<AttachedClient>()
  #logs: string[] = ['']
  #stdin: SimulatedPipe | undefined
  #size: TerminalSize | undefined
  #ended = false

  constructor(options: ConsoleOptions) {
    this.#options = options
    const { stdin, terminal } = options.container
    this.takesInput = stdin || terminal
  }

  get logs(): readonly string[] {
    return [...this.#logs]
  }

  get isFull(): boolean {
    return this.#clients.size >= clientsMax
  }

  get containerId(): string {
    return this.#options.container.id
  }

  get hasTerminal(): boolean {
    return this.#options.container.terminal
  }

  get terminalSize(): TerminalSize | undefined {
    return this.#size
  }

  resize(size: TerminalSize): void {
    this.#size = size
  }

  /** A log that nothing was written to since it was opened is not replaced. */
  reopenLog(): void {
    if (this.#logs.at(-1) !== '') this.#logs.push('')
    this.#logs = this.#logs.slice(-logsMax)
  }

  /** The ends that the process has. */
  streams(): Pick<ProcessStreams, 'stdin' | 'stdout' | 'stderr' | 'whenFlushed' | 'close'> {
    const stdout = this.#output('stdout')
    const stderr = this.#options.container.terminal ? stdout : this.#output('stderr')
    return {
      stdin: this.takesInput ? this.#input.reader : noInput(),
      stdout,
      stderr,
      whenFlushed: (done) => whenFlushed(stdout, () => whenFlushed(stderr, done)),
      close: () => {
        stdout.destroy()
        stderr.destroy()
      },
    }
  }

  /** From now on the client gets all output. */
  join(bufferMaxBytes: number | undefined): AttachedClient {
    const { clock, container } = this.#options
    const client = new AttachedClient({
      clock,
      bufferMaxBytes,
      stdin: this.takesInput ? this.#input.writer : undefined,
      onLeft: () => {
        this.#clients.delete(client)
        // conmon takes the end of a client for the end of input, unless it was told to leave stdin open.
        if (container.stdinOnce && !container.terminal && !this.#ended) this.#input.writer.end()
      },
      endsInput: container.stdinOnce && !container.terminal,
    })
    this.#clients.add(client)
    return client
  }

  /** Nobody holds the streams any more: the process has ended, or the monitor is dead. */
  end(): void {
    this.#ended = true
    for (const client of this.#clients) client.finish('exited')
    this.#stdin?.close()
  }

  /** A pipe, made when somebody wants it: most containers have no input. */
  get #input(): SimulatedPipe {
    return (this.#stdin ??= new SimulatedPipe({ gate: this.#options.gate }))
  }

  #output(name: OutputName): Writable {
    const { gate, attention } = this.#options
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => gate(() => attention(() => this.#take(name, chunk, done))),
    })
    stream.on('error', () => undefined)
    return stream
  }

  #take(name: OutputName, chunk: Buffer, done: () => void): void {
    // A dead monitor reads nothing, and what is written then is lost.
    if (this.#ended) return done()
    const log = (this.#logs.pop() ?? '') + chunk.toString('utf8')
    this.#logs.push(log.slice(-logMaxBytes))
    const slow = [...this.#clients].filter((client) => !client.take(name, chunk))
    if (slow.length === 0) done()
    else void this.#waitFor(slow, done)
  }

  async #waitFor(slow: readonly AttachedClient[], done: () => void): Promise<void> {
    await Promise.all(slow.map((client) => client.caughtUp()))
    done()
  }
}
