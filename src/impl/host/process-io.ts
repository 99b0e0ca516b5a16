/**
 * Block I/O by the processes of a group, for cgroup v1 on kernels that no longer count it per group: since Linux 6.10 its
 * `blkio` files stay empty unless a disk has a limit.
 *
 * A process's counters take over those of the children it waits for, so the sum over the living is nearly the total of the
 * group. What ends unseen by the group is lost: an exec session, whose parent is outside.
 */
import { errnoOf, isOciError } from '../../errors/index.ts'
import { type BlockBytes, keyedCounter } from './cgroup-stats.ts'
import { readKernelFile } from './kernel-file.ts'

/** A sample stays cheap, whatever the container does. */
const processesMax = 64

/** Undefined without a living process, and with more than are worth looking at. Throws ERR_IO. */
export async function readProcessIo(directory: string): Promise<BlockBytes | undefined> {
  const pids = ((await readKernelFile(`${directory}/cgroup.procs`)) ?? '').split('\n').filter(Boolean)
  if (pids.length === 0 || pids.length > processesMax) return undefined
  let sum: BlockBytes | undefined
  for (const pid of pids) {
    const one = parseProcessIo(await readPermitted(`/proc/${pid}/io`))
    if (one === undefined) continue
    sum = {
      readBytes: one.readBytes + (sum?.readBytes ?? 0),
      writtenBytes: one.writtenBytes + (sum?.writtenBytes ?? 0),
    }
  }
  return sum
}

/** The kernel shows it to those who might trace the process, which takes more than being allowed to run it. */
async function readPermitted(file: string): Promise<string | undefined> {
  try {
    return await readKernelFile(file)
  } catch (error) {
    if (isOciError(error) && errnoOf(error.cause) === 'EACCES') return undefined
    throw error
  }
}

/** See proc_pid_io(5). What was written to files that were deleted before it reached the disk does not count. */
export function parseProcessIo(text: string | undefined): BlockBytes | undefined {
  const readBytes = keyedCounter(text, 'read_bytes:')
  const writtenBytes = keyedCounter(text, 'write_bytes:')
  if (readBytes === undefined || writtenBytes === undefined) return undefined
  const cancelledBytes = keyedCounter(text, 'cancelled_write_bytes:') ?? 0
  return { readBytes, writtenBytes: Math.max(0, writtenBytes - cancelledBytes) }
}
