/**
 * Where the files of commands are while they run: `<runDir>/exec/<our pid>-<our start time>/`, so that what a supervisor
 * left behind when it was killed can be told from what another one is using.
 *
 * FIFOs are made in bulk: Node cannot make one, and a process for every command would cost more than the rest of it.
 *
 * Somebody may clear the run directory at any time; what is gone is made anew for whoever comes next.
 */
import { existsSync } from 'node:fs'
import { lstat, mkdir, rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { OciError, errnoOf } from '../../errors/index.ts'
import { ensurePrivateDirectory, ioError } from '../../files.ts'
import { within } from '../launcher/deadlines.ts'
import type { Launcher } from '../launcher/launcher.ts'
import { abandonedIn, markedName } from './owner-mark.ts'
import { notStartedError } from './runtime-command.ts'

const fifoBatch = 48
/** More are made when fewer are left, before somebody has to wait for them. */
const fifosMin = 16
const mkfifoTimeoutMs = 30_000
const closeGraceMs = 5000

export interface ExecHomeOptions {
  readonly runDir: string
  readonly launcher: Pick<Launcher, 'run'>
  readonly env: Readonly<Record<string, string>>
}

export class ExecHome {
  readonly #options: ExecHomeOptions
  #directory: Promise<string> | undefined
  #fifos: string[] = []
  #refill: Promise<void> | undefined
  #lastName = 0
  #isClosed = false

  constructor(options: ExecHomeOptions) {
    this.#options = options
  }

  /** A new, empty, private directory. Throws ERR_IO, ERR_CLOSED. */
  async makeDirectory(): Promise<string> {
    return this.#inHome(async (home) => {
      const directory = `${home}/${this.#nextName()}`
      try {
        await mkdir(directory, { mode: 0o700 })
      } catch (error) {
        throw ioError('create directory', directory, error)
      }
      return directory
    })
  }

  /** Fresh FIFOs, which belong to the caller. Throws ERR_IO, ERR_CLOSED, and what the launcher throws. */
  async takeFifos(count: number): Promise<string[]> {
    if (!this.#fifos.slice(-count).every((path) => existsSync(path)))
      this.#fifos = this.#fifos.filter((path) => existsSync(path))
    while (this.#fifos.length < count) await this.#refillOnce()
    const taken = this.#fifos.splice(-count)
    // Who needs them hears of it if it fails again.
    if (this.#fifos.length < fifosMin) this.#refillOnce().catch(() => undefined)
    return taken
  }

  /** One at a place of the caller's choice, where none may be. Throws ERR_IO, and what the launcher throws. */
  async makeFifoAt(path: string): Promise<void> {
    await this.#mkfifo([path])
  }

  /** Removes everything. Nothing of it may be in use. A launcher that does not answer is not waited for. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#refill !== undefined) await within(Promise.allSettled([this.#refill]), closeGraceMs)
    const directory = await this.#directory?.catch(() => undefined)
    this.#directory = undefined
    this.#fifos = []
    if (directory !== undefined) await removeHome(directory)
  }

  #refillOnce(): Promise<void> {
    this.#refill ??= this.#makeFifos().finally(() => (this.#refill = undefined))
    return this.#refill
  }

  #nextName(): string {
    this.#lastName += 1
    return String(this.#lastName)
  }

  #open(): Promise<string> {
    if (this.#isClosed) return Promise.reject(new OciError('ERR_CLOSED', 'the runtime is closed'))
    this.#directory ??= openDirectory(baseOf(this.#options.runDir)).catch((error: unknown) => {
      this.#directory = undefined
      throw error
    })
    return this.#directory
  }

  /** Once more in a new directory where the one that we had is gone. */
  async #inHome<Made>(make: (directory: string) => Promise<Made>): Promise<Made> {
    const opened = this.#open()
    const directory = await opened
    try {
      return await make(directory)
    } catch (error) {
      if (await isDirectory(directory)) throw error
      if (this.#directory === opened) this.#directory = undefined
      return make(await this.#open())
    }
  }

  async #makeFifos(): Promise<void> {
    const paths = await this.#inHome(async (directory) => {
      const made = Array.from({ length: fifoBatch }, () => `${directory}/${this.#nextName()}`)
      await this.#mkfifo(made)
      return made
    })
    this.#fifos.push(...paths)
  }

  async #mkfifo(paths: readonly string[]): Promise<void> {
    const { launcher, env } = this.#options
    const argv = ['mkfifo', '-m', '600', ...paths] as const
    const result = await launcher.run({ argv: [...argv], env, timeoutMs: mkfifoTimeoutMs })
    if (result.exitCode === 0) return
    // Some may have been made before the disk was full.
    await Promise.all(paths.map(unlinkIfThere))
    const directory = dirname(paths[0] ?? '/')
    const { exitCode, signal, timedOut, stderrTail, notStarted } = result
    if (notStarted?.errno === 'EAGAIN') throw notStartedError(notStarted, { file: directory })
    const reason = notStarted?.errno ?? (stderrTail.trim() || `exit code ${exitCode}`)
    throw new OciError('ERR_IO', `mkfifo in ${directory} failed: ${reason}`, {
      file: directory,
      command: { argv: argv.slice(0, 3), exitCode, signal, timedOut, stderrTail },
    })
  }
}

export async function unlinkIfThere(file: string): Promise<void> {
  try {
    await unlink(file)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw ioError('remove', file, error)
  }
}

async function openDirectory(base: string): Promise<string> {
  await ensurePrivateDirectory(base)
  const directory = `${base}/${markedName(Date.now().toString(36))}`
  await ensurePrivateDirectory(directory)
  return directory
}

/** The directories of supervisors that are no more. A link of such a name is none. Throws ERR_INVALID_ARGUMENT, ERR_IO. */
export async function abandonedHomes(runDir: string): Promise<readonly string[]> {
  const homes: string[] = []
  for (const path of await abandonedIn(baseOf(runDir))) if (await isDirectory(path)) homes.push(path)
  return homes
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw ioError('examine', path, error)
  }
}

/** Nothing of it may be in use. */
export async function removeHome(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
}

function baseOf(runDir: string): string {
  return `${runDir}/exec`
}
