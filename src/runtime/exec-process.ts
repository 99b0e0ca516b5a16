/**
 * A command in a container as its starter holds it: its own streams tied to the command's, or the command's handed over.
 * Deliberately not here: starting the command, and when it may be started.
 */
import type { Readable, Writable } from 'node:stream'
import type { StartedExec } from '../actors/container-execs.ts'
import { publicVerb, type OciError, type PublicCall } from '../errors/index.ts'
import { execDrainDefaultMs, type ExecExit, type ExecRequest } from '../impl/exec-port.ts'
import type { TerminalSize } from '../impl/terminal-size.ts'
import { parseSignal } from '../signals.ts'
import type { Clock } from '../surroundings/clock.ts'
import type { KeepAlive } from '../surroundings/keep-alive.ts'
import { tieInput, tieOutput } from './exec-streams.ts'
import { malformed } from './refusals.ts'

const SIGKILL = 9
const SIGTERM = 15

/** What becomes of the command's streams. What is left out is not there: an empty stdin, output that nobody reads. */
export interface ExecStreamOptions {
  /**
   * Its end is the command's end of file. `'pipe'`: write to `stdin` of the {@link ExecProcess}. One that breaks off, or gives
   * what is neither bytes nor text, is a client that has left: `onDisconnect` says what becomes of the command.
   */
  readonly stdin?: Readable | 'pipe' | undefined
  /** Who takes it slowly slows the command down. `'pipe'`: read `stdout` of the {@link ExecProcess} to its end, or destroy it: it is open until then. */
  readonly stdout?: Writable | 'pipe' | undefined
  /** As stdout. A terminal has none: everything is on stdout. */
  readonly stderr?: Writable | 'pipe' | undefined
}

/** How a command is run beside its arguments. */
export type ExecProcessOptions = Omit<ExecRequest, 'argv' | 'stdin' | 'stdout' | 'stderr'> & ExecStreamOptions

/** A command that runs in a container. */
export interface ExecProcess {
  readonly id: string
  readonly containerId: string
  readonly argv: readonly string[]
  /** In the host's pid namespace. */
  readonly pid: number
  /** Only with `stdin: 'pipe'`. Its errors (EPIPE) mean that the command reads no more. */
  readonly stdin: Writable | undefined
  /** Only with `stdout: 'pipe'`. */
  readonly stdout: Readable | undefined
  /** Only with `stderr: 'pipe'`. */
  readonly stderr: Readable | undefined
  /**
   * Settles when the process has ended and its output has been written to the streams that were given; at the latest when
   * such a stream has taken nothing for `drainMs`. Never rejects. Who has asked for it keeps this process alive until then.
   */
  readonly exited: Promise<ExecExit>
  /**
   * Sends a signal, by name or number, to the process itself (default TERM); KILL ends its whole tree. False when it has ended already.
   * ERR_INVALID_ARGUMENT for what is no signal.
   */
  kill(signal?: string | number): Promise<boolean>
  /** Sets the terminal's size. ERR_UNSUPPORTED without a terminal. */
  resize(size: TerminalSize): Promise<void>
}

/** What the effect port is asked for. ERR_INVALID_ARGUMENT names the stream that is none. */
export function execRequestOf(
  argv: readonly string[],
  { stdin, stdout, stderr, ...command }: ExecProcessOptions,
  containerId: string,
): ExecRequest {
  if (stdin !== undefined && stdin !== 'pipe' && !('pipe' in Object(stdin))) {
    throw noStream('stdin', 'a Readable', containerId)
  }
  for (const [field, stream] of Object.entries({ stdout, stderr })) {
    if (stream === undefined || stream === 'pipe' || 'write' in Object(stream)) continue
    throw noStream(field, 'a Writable', containerId)
  }
  const streams = { stdin: stdin !== undefined, stdout: stdout !== undefined, stderr: stderr !== undefined }
  return { ...command, argv, ...streams }
}

export function execProcessOf(
  { session, exited }: StartedExec,
  options: ExecProcessOptions,
  { clock, keepAlive }: { readonly clock: Clock; readonly keepAlive: KeepAlive },
): ExecProcess {
  const { id, containerId, argv, pid } = session
  const { onDisconnect = 'kill', drainMs = execDrainDefaultMs } = options
  // A reader that left is a disconnected client: what becomes of the command is what was asked for.
  const clientLeft = (): void => {
    if (onDisconnect === 'kill') void session.kill(SIGKILL).catch(() => undefined)
  }
  if (typeof options.stdin === 'object' && session.stdin !== undefined) {
    tieInput(options.stdin, session.stdin, exited, clientLeft)
  }
  const outputs = [
    { source: session.stdout, target: options.stdout },
    { source: session.stderr, target: options.stderr },
  ].flatMap(({ source, target }) =>
    source === undefined || typeof target !== 'object' ? [] : [tieOutput(source, target, clientLeft)],
  )
  const over = exited.then(async (exit) => {
    await Promise.all(outputs.map((one) => one.written(clock, drainMs)))
    return exit
  })
  const awaited = keepAlive.onceAsked(over)
  const door: PublicCall = { operation: undefined, containerId, code: 'ERR_INTERNAL' }
  return {
    id,
    containerId,
    argv,
    pid,
    stdin: options.stdin === 'pipe' ? session.stdin : undefined,
    stdout: options.stdout === 'pipe' ? session.stdout : undefined,
    stderr: options.stderr === 'pipe' ? session.stderr : undefined,
    // Only who asks for it waits for it: a command that nobody waits for keeps no process alive.
    get exited() {
      return awaited()
    },
    kill: (signal = SIGTERM) => publicVerb(door, async () => session.kill(parseSignal(signal))),
    resize: (size) => publicVerb(door, async () => session.resize(size)),
  }
}

function noStream(field: string, wanted: string, containerId: string): OciError {
  return malformed(field, `${field} must be ${wanted} or 'pipe'`, 'startExec', containerId)
}
