/** The streams of a container, with a shell in the shim's place, and a log that can be read back. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { joinLogLines, type LogRecord, readContainerLog } from '../../../../src/container-log/index.ts'
import type { AttachOptions, AttachSession } from '../../../../src/impl/attach-port.ts'
import type { TerminalSize } from '../../../../src/impl/terminal-size.ts'
import {
  makeContainerStreams,
  resumeContainerStreams,
} from '../../../../src/impl/vm/streams/container-streams.ts'
import { removeStreamFifos, streamPaths } from '../../../../src/impl/vm/streams/stream-fifos.ts'
import type {
  ContainerStreams,
  ContainerStreamsSpec,
  StreamPaths,
} from '../../../../src/impl/vm/streams/streams.ts'
import { entriesOf } from '../../../support/log-entries.ts'
import { makeTempRoot } from '../../../support/temp-root.ts'
import { FakeShim } from './fake-shim.ts'
import { fifosIn } from './fifos.ts'

export interface LoggedMessage {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

export class MessageLog {
  readonly messages: LoggedMessage[] = []
  readonly debug = this.#take('debug')
  readonly info = this.#take('info')
  readonly warn = this.#take('warn')
  readonly error = this.#take('error')

  #take(level: LoggedMessage['level']) {
    return (fields: object, message: string): void => void this.messages.push({ level, fields, message })
  }
}

export const noAbort = new AbortController().signal

export class Stage {
  readonly logger = new MessageLog()
  readonly sizes: TerminalSize[] = []
  readonly root: string
  readonly spec: ContainerStreamsSpec
  closedStdin = 0
  #streams: ContainerStreams | undefined
  #shim: FakeShim | undefined

  constructor(spec: Partial<ContainerStreamsSpec> = {}) {
    this.root = makeTempRoot()
    this.spec = {
      containerId: 'c1',
      directory: join(this.root, 'io'),
      terminal: false,
      stdin: false,
      stdinOnce: false,
      logPath: join(this.root, 'log'),
      logSizeMaxBytes: -1,
      ...spec,
    }
    onTestFinished(async () => {
      this.#shim?.kill()
      await this.#streams?.close()
      await removeStreamFifos(this.spec.directory)
    })
  }

  readonly control = {
    closeStdin: async (): Promise<void> => {
      this.closedStdin += 1
      await this.#shim?.closeIo()
    },
    resize: (size: TerminalSize): Promise<void> => {
      this.sizes.push(size)
      return Promise.resolve()
    },
  }

  get paths(): StreamPaths {
    const { directory, stdin, terminal } = this.spec
    return streamPaths(directory, { stdin: stdin || terminal, stdout: true, stderr: !terminal })
  }

  get streams(): ContainerStreams {
    if (this.#streams === undefined) throw new Error('the streams have not been made')
    return this.#streams
  }

  get shim(): FakeShim {
    if (this.#shim === undefined) throw new Error('nothing runs')
    return this.#shim
  }

  async make(): Promise<ContainerStreams> {
    this.#streams = await makeContainerStreams(
      { logger: this.logger, fifos: fifosIn(this.root) },
      this.spec,
      this.control,
    )
    return this.#streams
  }

  /** As the next supervisor does. */
  async resume(): Promise<ContainerStreams> {
    this.#streams = await resumeContainerStreams({ logger: this.logger }, this.spec, this.control)
    return this.#streams
  }

  async start(program: string): Promise<FakeShim> {
    this.streams.starting()
    this.#shim = await FakeShim.start(this.streams.paths, program)
    this.streams.started()
    return this.#shim
  }

  /** Makes the streams and runs a program to its end; true when it was drained. */
  async run(program: string, limitMs = 5000): Promise<boolean> {
    if (this.#streams === undefined) await this.make()
    const shim = await this.start(program)
    await shim.exited
    return this.streams.drain(limitMs)
  }

  attach(options: AttachOptions = {}, signal: AbortSignal = noAbort): Promise<AttachSession> {
    return this.streams.attach(options, signal)
  }

  logText(): string {
    return readFileSync(this.spec.logPath, 'utf8')
  }

  /** The whole lines of logs that follow each other. */
  async lines(paths: readonly string[] = [this.spec.logPath]): Promise<string[]> {
    const entries = async function* () {
      for (const path of paths) yield* readContainerLog(path, { onDefect: refuseDefect })
    }
    return collectLines(entries())
  }

  /** The whole lines of a log that is being written; the last entry may be there in part. */
  linesSoFar(): Promise<string[]> {
    return collectLines(readContainerLog(this.spec.logPath, { onDefect: () => undefined }))
  }
}

async function collectLines(entries: AsyncIterable<LogRecord>): Promise<string[]> {
  const lines: string[] = []
  for await (const { content } of entriesOf(joinLogLines(entries, { lineMaxBytes: Infinity })))
    lines.push(content.toString('latin1'))
  return lines
}

function refuseDefect(defect: object): void {
  throw new Error(`defect ${JSON.stringify(defect)}`)
}
