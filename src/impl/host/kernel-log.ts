/**
 * OOM kills as the kernel's log, /dev/kmsg, tells of them. The counter of a cgroup is the first witness, but systemd
 * removes the cgroup of a scope with its last process, mostly before anybody has read it. The log stays.
 *
 * Cost: the log that there is, some thousand records, is read once, at the first question; from then on what is new.
 *
 * Deliberately not here: what a record says (oom-records.ts), and the judgement (oom-evidence.ts).
 */
import { close, constants, open, read } from 'node:fs'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { errnoOf } from '../../errors/index.ts'
import type { Logger } from '../../surroundings/logger.ts'
import { bootId } from '../process-identity.ts'
import { type OomRecord, parseRecord, readOomRecord } from './oom-records.ts'

const device = '/dev/kmsg'
/** More than the longest record that a kernel gives. */
const recordMaxBytes = 16_384
/** More than a log holds. One that grows as fast as it is read is read no further for this question. */
const recordsMax = 65_536
/** Older kills are forgotten. */
const killsMax = 4_096
/** Its inode, the same on every kernel. Pids in the log are of this namespace. */
const initialPidNamespace = 0xeffffffc

/** A place in the log of one boot. */
export interface LogPosition {
  readonly bootId: string
  /** Number of the record before it. */
  readonly sequence: number
}

/** The log, opened. */
export interface RecordSource {
  /** The next record; undefined when there is none yet. Skips what was overwritten before it could be read. */
  read(): Promise<string | undefined>
  close(): Promise<void>
}

export class KernelLog {
  readonly #logger: Logger
  readonly #openSource: () => Promise<RecordSource>
  #source: Promise<RecordSource | undefined> | undefined
  readonly #kills: OomRecord[] = []
  #last: number | undefined
  /** One reader at a time. */
  #reading: Promise<void> = Promise.resolve()

  constructor(logger: Logger, openSource: () => Promise<RecordSource> = openKernelLog) {
    this.#logger = logger
    this.#openSource = openSource
  }

  /** Behind the newest record. Undefined where the log cannot be read. */
  async end(): Promise<LogPosition | undefined> {
    await this.#next(() => this.#readNew())
    const boot = bootId()
    return boot === undefined || this.#last === undefined ? undefined : { bootId: boot, sequence: this.#last }
  }

  /** Whether the log tells, behind `since`, that the OOM killer took that process. False is no evidence of the contrary. */
  async tellsOfKill(pid: number, since: LogPosition): Promise<boolean> {
    if (since.bootId !== bootId()) return false
    await this.#next(() => this.#readNew())
    return this.#kills.some((kill) => kill.pid === pid && kill.sequence > since.sequence)
  }

  close(): Promise<void> {
    return this.#next(() => this.#closeSource())
  }

  #next(step: () => Promise<void>): Promise<void> {
    this.#reading = this.#reading.then(step)
    return this.#reading
  }

  /** Never rejects: where the log fails, the kills that it would tell of are not told. */
  async #readNew(): Promise<void> {
    try {
      this.#source ??= this.#openSource()
      const source = await this.#source
      for (let count = 0; count < recordsMax; count += 1) {
        const line = await source?.read()
        if (line === undefined) return
        this.#take(line)
      }
    } catch (err) {
      const message =
        'the log of the kernel cannot be read: OOM kills in cgroups that systemd removes can go unseen'
      this.#logger.warn({ file: device, err }, message)
      this.#last = undefined
      await this.#closeSource()
    }
  }

  /** For good. Never rejects. */
  async #closeSource(): Promise<void> {
    const source = this.#source
    this.#source = Promise.resolve(undefined)
    try {
      await (await source)?.close()
    } catch (err) {
      this.#logger.debug({ file: device, err }, 'the log of the kernel cannot be closed')
    }
  }

  #take(line: string): void {
    const record = parseRecord(line)
    if (record === undefined) return
    this.#last = record.sequence
    const kill = readOomRecord(record)
    if (kill !== undefined) this.#kills.push(kill)
    if (this.#kills.length > killsMax) this.#kills.shift()
  }
}

const openFile = promisify(open)
const readFile = promisify(read)
const closeFile = promisify(close)

/** Throws what the system says, and an Error where the pids in the log are not those that we see. */
async function openKernelLog(): Promise<RecordSource> {
  if ((await stat('/proc/self/ns/pid')).ino !== initialPidNamespace)
    throw new Error('the supervisor is in a pid namespace of its own')
  // Without O_NONBLOCK a read waits for the next record, in a thread of the pool.
  const descriptor = await openFile(device, constants.O_RDONLY | constants.O_NONBLOCK)
  const buffer = Buffer.alloc(recordMaxBytes)
  return {
    read: () => readRecord(descriptor, buffer),
    close: () => closeFile(descriptor),
  }
}

async function readRecord(descriptor: number, buffer: Buffer): Promise<string | undefined> {
  for (;;) {
    try {
      const { bytesRead } = await readFile(descriptor, buffer, 0, buffer.length, null)
      if (bytesRead === 0) throw new Error('it is no log of a kernel: it has an end')
      return buffer.toString('utf8', 0, bytesRead)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'EAGAIN') return undefined
      // The next one was overwritten; after this the reader stands at the oldest that there is.
      if (errno !== 'EPIPE') throw error
    }
  }
}
