/** What the network interfaces of a container have carried, from /proc of its init. */
import { readlink } from 'node:fs/promises'
import { errnoOf } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { processState } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { readKernelFile } from './kernel-file.ts'

export interface NetworkBytes {
  readonly receivedBytes: number
  readonly sentBytes: number
}

/** A process does not change its namespace while threads of it run, and Node's always do. */
let ours: Promise<string | undefined> | undefined

/** Undefined when init is gone, and in our own namespace, whose numbers are the host's. Throws ERR_IO. */
export async function readNetworkBytes(init: ProcessIdentity): Promise<NetworkBytes | undefined> {
  const read = await readOf(init.pid).then(
    (bytes) => ({ bytes }),
    (error: unknown) => ({ error }),
  )
  // Looked at afterwards: a process that is still this one has been so all the time, and how /proc of a dying one fails
  // does not matter.
  if (processState(init) === 'gone') return undefined
  if ('error' in read) throw read.error
  return read.bytes
}

async function readOf(pid: number): Promise<NetworkBytes | undefined> {
  ours ??= namespaceOf('self')
  const namespace = await namespaceOf(`${pid}`)
  if (namespace === undefined || namespace === (await ours)) return undefined
  return parseNetworkBytes(await readKernelFile(`/proc/${pid}/net/dev`))
}

async function namespaceOf(process: string): Promise<string | undefined> {
  const file = `/proc/${process}/ns/net`
  try {
    return await readlink(file)
  } catch (error) {
    const errno = errnoOf(error)
    // EACCES: not ours to look at, so not ours to compare.
    if (errno === 'ENOENT' || errno === 'ESRCH' || errno === 'EACCES') return undefined
    throw ioError('read', file, error)
  }
}

/** Two lines of headings, then `<name>: <8 numbers received> <8 numbers sent>`, bytes first. */
export function parseNetworkBytes(text: string | undefined): NetworkBytes | undefined {
  if (text === undefined) return undefined
  let receivedBytes = 0
  let sentBytes = 0
  for (const line of text.split('\n')) {
    // A name may contain a colon (eth0:1), and numbers of many digits follow it without a blank.
    const [, name, numbers = ''] = /^\s*(\S+):\s*([\d ]+)$/.exec(line) ?? []
    if (name === undefined || name === 'lo') continue
    const columns = numbers.trim().split(/ +/)
    receivedBytes += Number(columns[0] ?? 0)
    sentBytes += Number(columns[8] ?? 0)
  }
  return { receivedBytes, sentBytes }
}
