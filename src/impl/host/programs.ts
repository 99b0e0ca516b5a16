/** Programs as files: finding one on PATH, as the shell would, for handlers that name none; judging one that is named. */
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { RuntimeHandler } from '../../config/config.ts'
import { errnoOf, isOciError, OciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import type { HostWorld, RuntimePlace } from './world.ts'
import { searchPath } from '../search-path.ts'

/** Absolute path of the runtime. ERR_RUNTIME_NOT_FOUND when none is configured and none is on PATH. */
export async function runtimePath(
  world: Pick<HostWorld, 'programs'>,
  { handler, handlerName, env }: Pick<RuntimePlace, 'handler' | 'handlerName' | 'env'>,
): Promise<string> {
  return handler.runtimePath ?? (await lookUp(world, handlerName, 'runtimePath', env))
}

export async function lookUp(
  world: Pick<HostWorld, 'programs'>,
  name: string,
  setting: keyof RuntimeHandler,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const path = searchPath(env)
  const key = `${name}\0${path}`
  const found = world.programs.get(key) ?? findProgram(name, path)
  world.programs.set(key, found)
  const file = await found
  if (file !== undefined) return file
  // It may be installed later; a failed look-up is not remembered.
  world.programs.delete(key)
  throw new OciError(
    'ERR_RUNTIME_NOT_FOUND',
    `there is no ${name} on PATH (${path}); install it or set ${setting}`,
    {
      field: setting,
    },
  )
}

/** The first executable file called `name` in the directories of `path`; undefined when there is none. */
export async function findProgram(name: string, path: string): Promise<string | undefined> {
  // An empty entry means the working directory, which is the embedder's and no place for programs.
  for (const directory of path.split(':').filter(isAbsolute)) {
    const file = join(directory, name)
    // As in a shell: what cannot be executed, for whatever reason, is not the one; the search goes on.
    if ((await whyNoProgram(file)) === undefined) return file
  }
  return undefined
}

/**
 * ERR_RUNTIME_NOT_FOUND with `file` and `field` when `file` is no program. Asked before each create: conmon says nothing
 * of some of these, and nothing should be touched for a program that is not there.
 */
export async function assertProgram(file: string, field: string): Promise<void> {
  const why = await whyNoProgram(file)
  if (why === undefined) return
  if (isOciError(why)) throw why
  throw new OciError('ERR_RUNTIME_NOT_FOUND', `${file} ${why}; install it or set ${field}`, { file, field })
}

/** What keeps a file from being executed by us, in words; an error where that cannot be known. */
async function whyNoProgram(file: string): Promise<string | OciError | undefined> {
  try {
    if (!(await stat(file)).isFile()) return 'must be an executable file'
    await access(file, constants.X_OK)
    return undefined
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return 'does not exist'
    if (errno === 'ELOOP') return 'is a link that leads nowhere'
    if (errno === 'EACCES' || errno === 'EPERM') return 'must be executable for this user'
    return ioError('examine', file, error)
  }
}
