/**
 * The exit that conmon wrote to the container's persist directory. It writes both, and notices neither when the exits
 * directory is missing: then this copy is all there is.
 */
import { lstat } from 'node:fs/promises'
import type { Container } from '../../container.ts'
import { errnoOf, isOciError } from '../../errors/index.ts'
import { ioError, readTextFile } from '../../files.ts'
import { timestampFromNs } from '../../timestamp.ts'
import type { ExitFact } from '../runtime-impl.ts'
import { placeOf, type OciWorld } from './world.ts'

const exitFileMaxBytes = 64

/** Undefined when there is none, or none that is whole and ours. Throws ERR_IO. An earlier run's is removed by `create`. */
export async function unreportedExit(
  world: OciWorld,
  container: Container,
): Promise<Omit<ExitFact, 'id'> | undefined> {
  const { paths } = await placeOf(world, container)
  const file = paths.persistedExitFile
  const text = await readTextFile(file, {
    maxBytes: exitFileMaxBytes,
    code: 'ERR_STATE_CORRUPT',
    isPrivate: true,
  }).catch((error: unknown) => {
    if (isOciError(error) && error.code === 'ERR_STATE_CORRUPT') return undefined
    throw error
  })
  const code = Number(/^(\d{1,3})\n?$/.exec(text ?? '')?.[1])
  if (!Number.isInteger(code) || code > 255) return undefined
  try {
    const { mtimeNs } = await lstat(file, { bigint: true })
    return { code, finished: timestampFromNs(mtimeNs) }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw ioError('examine', file, error)
  }
}
