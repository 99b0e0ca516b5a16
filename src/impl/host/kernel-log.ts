/**
 * OOM kills as the kernel's log, /dev/kmsg, tells of them. The counter of a cgroup is the better witness, but systemd
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
import { isVictim, type OomRecord, type OomVictims, parseRecord, readOomRecord } from './oom-records.ts'

const device = '/dev/kmsg'
/** More than the longest record that a kernel gives. */
const recordMaxBytes = 16_384
/** Many times what the log itself can hold. */
const recordsKept = 4_096
/** Inodes of the first namespaces, the same on every kernel. Pids and paths in the log are those of these. */
const initialNamespaces = { pid: 0xeffffffc, cgroup: 0xeffffffb }

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
  #end: number | undefined
  /** One reader at a time. */
  #reading: Promise<void> = Promise.resolve()

  constructor(logger: Logger, openSource: () => Promise<RecordSource> = openKernelLog) {
    this.#logger = logger
    this.#openSource = openSource
  }

  /** The number of the newest record: what comes after it is new. Undefined where the log cannot be read. */
  async end(): Promise<number | undefined> {
    await this.#readOn()
    return this.#end
  }

  /** How many of these processes the OOM killer took after the record `after`, as far as the log tells. */
  async countKills(after: number, victims: OomVictims): Promise<number> {
    await this.#readOn()
    return this.#kills.filter((kill) => kill.sequence > after && isVictim(kill, victims)).length
  }

  close(): Promise<void> {
    return this.#next(() => this.#closeSource())
  }

  #readOn(): Promise<void> {
    return this.#next(() => this.#readNew())
  }

  #next(step: () => Promise<void>): Promise<void> {
    this.#reading = this.#reading.then(step)
    return this.#reading
  }

  /** Nothing depends on the log: where it fails the kills that it would tell of are not told. */
  async #readNew(): Promise<void> {
    try {
      this.#source ??= this.#openSource()
      const source = await this.#source
      for (let line = await source?.read(); line !== undefined; line = await source?.read()) this.#take(line)
    } catch (err) {
      await this.#closeSource()
      const message =
        'the log of the kernel cannot be read: OOM kills in cgroups that systemd removes can go unseen'
      this.#logger.warn({ file: device, err }, message)
    }
  }

  /** For good. */
  async #closeSource(): Promise<void> {
    const source = this.#source?.catch(() => undefined)
    this.#source = Promise.resolve(undefined)
    await (await source)?.close()
  }

  #take(line: string): void {
    const record = parseRecord(line)
    if (record === undefined) return
    this.#end = record.sequence
    const kill = readOomRecord(record, this.#kills.at(-1))
    if (kill !== undefined) this.#kills.push(kill)
    if (this.#kills.length > recordsKept) this.#kills.shift()
  }
}

const openFile = promisify(open)
const readFile = promisify(read)
const closeFile = promisify(close)

/** Throws what the system says, and an Error where the pids and paths in the log are not those that we see. */
async function openKernelLog(): Promise<RecordSource> {
  await assertInitialNamespaces()
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
      return buffer.toString('utf8', 0, bytesRead)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'EAGAIN') return undefined
      // The next one was overwritten; after this the reader stands at the oldest that there is.
      if (errno !== 'EPIPE') throw error
    }
  }
}

async function assertInitialNamespaces(): Promise<void> {
  for (const [name, inode] of Object.entries(initialNamespaces)) {
    if ((await stat(`/proc/self/ns/${name}`)).ino === inode) continue
    throw new Error(`the supervisor is in a ${name} namespace of its own`)
  }
}
