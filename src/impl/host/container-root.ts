/**
 * Files by their paths inside a container. Whoever is in it may have put anything there: a link to the host's files, a FIFO
 * (CVE-2024-9676), a device whose open alone does harm. So links are resolved here, inside the root, every step is
 * opened by O_PATH, which opens nothing, and only a regular file is opened for reading.
 */
import { constants } from 'node:fs'
import { open, readlink, type FileHandle } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { errnoOf, isOciError, OciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { observeProcess } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { MountChecks } from './mount-checks.ts'
import { accessRootfs } from './rootfs-access.ts'

/** `init`: the process whose root it is, so that what is mounted in the container is seen as well. */
export interface ContainerRoot {
  readonly directory: string
  readonly init?: ProcessIdentity | undefined
}

/** Node has no constant for it; the same on all architectures that containers run on. */
const O_PATH = 0o10_000_000
const pathFlags = O_PATH | constants.O_NOFOLLOW
/** As the kernel counts them. */
const linksMax = 40
/** Directories, links and the file. */
const stepsMax = 256

/** The root as init sees it, or that of the bundle where there is no init on this host. */
export function containerRoot(
  bundle: string,
  path: string | undefined,
  init: ProcessIdentity | undefined,
): ContainerRoot {
  if (init !== undefined) return { directory: `/proc/${init.pid}/root`, init }
  return { directory: path !== undefined && isAbsolute(path) ? path : join(bundle, path ?? 'rootfs') }
}

/**
 * What `read` found in the root of a container, if its init is that process still: a pid may be somebody else's by then. In turn
 * with other accesses to root filesystems, see rootfs-access.ts: ERR_TIMEOUT, ERR_BUSY.
 */
export async function whileRunning<Found>(
  { directory, init }: ContainerRoot,
  read: () => Promise<Found>,
): Promise<Found> {
  const [found] = await Promise.allSettled([accessRootfs(directory, read)])
  if (init !== undefined && (await observeProcess(init)) === 'gone')
    throw new OciError('ERR_NOT_RUNNING', 'the container has ended')
  if (found.status === 'rejected') throw found.reason
  return found.value
}

/**
 * The regular file of that path, open for reading; undefined when there is none. ERR_INVALID_ARGUMENT when it is something
 * else, or its links lead nowhere; ERR_IO.
 */
export async function openInRoot(root: ContainerRoot, path: string): Promise<FileHandle | undefined> {
  let walk: Walk | undefined
  try {
    walk = await Walk.begin(root, path)
    return await walk.open()
  } catch (error) {
    if (isOciError(error)) throw error
    const errno = errnoOf(error)
    // ENOTDIR is the root's, where it is an image of a disk: a machine has that, not this host.
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    const file = join(root.directory, path)
    // Not root, and the file somebody else's.
    if (errno === 'EACCES' || errno === 'EPERM') throw misfit(file, 'cannot be opened by the supervisor')
    throw ioError('open', file, error)
  } finally {
    await walk?.close()
  }
}

function misfit(file: string, reason: string): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', `${file} ${reason}`, { file })
}

class Walk {
  readonly #file: string
  /** From the root down to where it is. `..` is the one above, which no rename moves out of the root. */
  readonly #directories: FileHandle[]
  readonly #names: string[]
  /** None where it is the bundle's, on mounts of the host. */
  readonly #mounts: MountChecks | undefined
  #linksCount = 0
  #stepsCount = 0

  private constructor(handle: FileHandle, { directory, init }: ContainerRoot, path: string) {
    this.#file = join(directory, path)
    this.#directories = [handle]
    this.#names = path.split('/')
    this.#mounts = init === undefined ? undefined : new MountChecks(init.pid)
  }

  static async begin(root: ContainerRoot, path: string): Promise<Walk> {
    return new Walk(await open(root.directory, O_PATH | constants.O_DIRECTORY), root, path)
  }

  async open(): Promise<FileHandle> {
    for (const root of this.#directories) await this.#check(root)
    for (let name = this.#names.shift(); name !== undefined; name = this.#names.shift()) {
      if (name === '' || name === '.') continue
      if (name === '..') await this.#leave()
      else {
        const file = await this.#step(name)
        if (file !== undefined) return file
      }
    }
    throw this.#misfit('is not a regular file')
  }

  async close(): Promise<void> {
    for (const directory of this.#directories) await directory.close()
  }

  async #leave(): Promise<void> {
    if (this.#directories.length > 1) await this.#directories.pop()?.close()
  }

  /** Into a directory, along a link, or to the file itself. */
  async #step(name: string): Promise<FileHandle | undefined> {
    this.#stepsCount += 1
    if (this.#stepsCount > stepsMax) throw this.#misfit('cannot be reached: its path is too long')
    const path = `/proc/self/fd/${this.#directories.at(-1)?.fd}/${name}`
    const there = await open(path, pathFlags)
    let isKept = false
    try {
      await this.#check(there)
      const stats = await there.stat()
      if (stats.isSymbolicLink()) await this.#follow(await readlink(path))
      else if (this.#names.length > 0) {
        if (!stats.isDirectory()) throw this.#misfit(`cannot be reached: ${name} is not a directory`)
        this.#directories.push(there)
        isKept = true
      } else {
        if (!stats.isFile()) throw this.#misfit('is not a regular file')
        const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY
        return await open(`/proc/self/fd/${there.fd}`, flags)
      }
      return undefined
    } finally {
      if (!isKept) await there.close()
    }
  }

  /** Before anything is asked of the file system that it is on. */
  async #check(there: FileHandle): Promise<void> {
    const type = await this.#mounts?.misfit(there)
    if (type !== undefined) throw this.#misfit(`cannot be read: it is on a file system of type ${type}`)
  }

  async #follow(target: string): Promise<void> {
    this.#linksCount += 1
    if (this.#linksCount > linksMax)
      throw this.#misfit('cannot be reached: there are too many symbolic links')
    while (isAbsolute(target) && this.#directories.length > 1) await this.#leave()
    this.#names.unshift(...target.split('/'))
  }

  #misfit(reason: string): OciError {
    return misfit(this.#file, reason)
  }
}
