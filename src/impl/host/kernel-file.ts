/**
 * Reading small files of /proc and cgroups, many times a second.
 *
 * A thousand containers have more than ten thousand of them, and what costs is not the kernel but each way through Node's
 * thread pool. Opening and closing such a file is a look-up in memory, so it is done here and now; reading it can make the
 * kernel gather numbers from all CPUs, so that is left to a thread.
 */
import { closeSync, openSync, read } from 'node:fs'
import { errnoOf } from '../../errors/index.ts'
import { ioError } from '../../files.ts'

/** Below the size up to which Node takes a buffer from its pool. */
const chunkBytes = 4000
/** The kernel fills a page with whole lines, so a chunk that is not even half full is the last. */
const lastBelowBytes = 2000
/** As large as io.stat of some hundred devices. */
const chunksMax = 32

/**
 * ESRCH and ENODEV: it went away after it was opened. EOPNOTSUPP: a kernel that was booted without pressure stall
 * information has its files nonetheless.
 */
const absent: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ESRCH',
  'ENODEV',
  'EOPNOTSUPP',
  'ENOTSUP',
])

/** The text of a kernel's file, at most its first 128 KB, or undefined when it has none. Throws ERR_IO. */
export async function readKernelFile(file: string): Promise<string | undefined> {
  try {
    const descriptor = openSync(file, 'r')
    try {
      return await readAll(descriptor)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    if (absent.has(errnoOf(error))) return undefined
    throw ioError('read', file, error)
  }
}

async function readAll(descriptor: number): Promise<string> {
  let text = ''
  for (let chunk = 0; chunk < chunksMax; chunk += 1) {
    const bytes = await readChunk(descriptor)
    text += bytes.toString('latin1')
    if (bytes.length < lastBelowBytes) break
  }
  return text
}

function readChunk(descriptor: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    read(descriptor, Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, null, (error, bytesRead, buffer) => {
      if (error === null) resolve(buffer.subarray(0, bytesRead))
      else reject(error)
    })
  })
}
