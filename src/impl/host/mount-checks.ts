/**
 * Which of the file systems in a container may be read at all. Where it has /dev/fuse, a container mounts one whose answers
 * are its own, and that never come: each call would keep a thread of ours until the container ends, and there are four.
 * An overlay may hide such a one. And files of the kernel act when they are read: /proc/kmsg hands each line out once.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises'
import { ioError } from '../../files.ts'
import { scanLines } from './scan-lines.ts'

interface Mount {
  readonly type: string
  /** `major:minor` of the file system, the same wherever it is mounted. */
  readonly device: string
}

const ofKernel = /^(proc|sysfs|debugfs|tracefs|cgroup2?|bpf)$/
const ofWhoeverMountedIt = /^(fuse|overlay)/

/** The mounts in the namespace of one process. */
export class MountChecks {
  readonly #table: string
  readonly #fit = new Set<string>()

  constructor(pid: number) {
    this.#table = `/proc/${pid}/mountinfo`
  }

  /**
   * Undefined when what an O_PATH descriptor is of may be read, else the type of its file system. The file system itself is
   * not asked. Throws ERR_INVALID_ARGUMENT for a table that is too long, ERR_IO.
   */
  async misfit({ fd }: FileHandle): Promise<string | undefined> {
    const id = await mountId(fd)
    if (this.#fit.has(id)) return undefined
    const mount = await findMount(this.#table, (line) => line.startsWith(`${id} `))
    if (mount === undefined) return 'unknown'
    if (ofKernel.test(mount.type)) return mount.type
    if (ofWhoeverMountedIt.test(mount.type) && !(await isOurs(mount))) return mount.type
    this.#fit.add(id)
    return undefined
  }
}

/** Mounted in our namespace, so that the host answers for it. */
async function isOurs({ device }: Mount): Promise<boolean> {
  const own = await findMount('/proc/self/mountinfo', (line) => line.split(' ', 3)[2] === device)
  return own !== undefined
}

async function mountId(fd: number): Promise<string> {
  const file = `/proc/self/fdinfo/${fd}`
  try {
    return /^mnt_id:\s*(\d+)$/m.exec(await readFile(file, 'latin1'))?.[1] ?? ''
  } catch (error) {
    throw ioError('read', file, error)
  }
}

/** A line has six fields, others that are optional, a hyphen, and the type. */
async function findMount(table: string, isIt: (line: string) => boolean): Promise<Mount | undefined> {
  let found: Mount | undefined
  const handle = await open(table, 'r').catch((error: unknown) => {
    throw ioError('open', table, error)
  })
  try {
    await scanLines(handle, table, (line) => {
      if (!isIt(line)) return false
      const [, , device = ''] = line.split(' ', 3)
      found = { device, type: / - (\S+) /.exec(line)?.[1] ?? '' }
      return true
    })
  } finally {
    await handle.close()
  }
  return found
}
