/**
 * The FIFOs between a shim and us: `in`, `out` and `err` of one process in a private directory. They outlive us, so that
 * the next supervisor finds them. Node cannot make one, so they come ready made and are moved into place.
 */
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ensurePrivateDirectory, ioError } from '../../../files.ts'
import type { StreamPaths, StreamsWorld } from './streams.ts'

export interface WantedStreams {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
}

/** Where they are, or would be. */
export function streamPaths(directory: string, { stdin, stdout, stderr }: WantedStreams): StreamPaths {
  return {
    stdin: stdin ? join(directory, 'in') : '',
    stdout: stdout ? join(directory, 'out') : '',
    stderr: stderr ? join(directory, 'err') : '',
  }
}

/** What an earlier try left there is replaced. Throws ERR_IO, ERR_INVALID_ARGUMENT, and what the source of FIFOs throws. */
export async function makeStreamFifos(
  { fifos }: Pick<StreamsWorld, 'fifos'>,
  directory: string,
  wanted: WantedStreams,
): Promise<StreamPaths> {
  await ensurePrivateDirectory(directory)
  const paths = streamPaths(directory, wanted)
  const places = [paths.stdin, paths.stdout, paths.stderr].filter((path) => path !== '')
  const made = await fifos.takeFifos(places.length)
  try {
    for (const [index, place] of places.entries()) {
      await rename(made[index] ?? '', place).catch((error: unknown) => {
        throw ioError('create', place, error)
      })
    }
  } catch (error) {
    await Promise.all([...made, ...places].map((path) => rm(path, { force: true })))
    throw error
  }
  return paths
}

/** Of a process that is gone. Throws ERR_IO. */
export async function removeStreamFifos(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true }).catch((error: unknown) => {
    throw ioError('remove', directory, error)
  })
}
