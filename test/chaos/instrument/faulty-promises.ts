/** Stands in for node:fs/promises in instrumented code: the same functions, each passing the faults first. */
import { constants } from 'node:fs'
import * as real from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { meet, type FileOperation } from './faults.ts'

export * from 'node:fs/promises'

/** Fails as the real ones do: by a rejection, not by a throw. */
function faulty<T extends (...args: never[]) => Promise<unknown>>(
  operation: FileOperation,
  run: T,
  path?: unknown,
): T {
  return new Proxy(run, {
    apply: async (target, self, args): Promise<unknown> => {
      meet(operation, path ?? args[0])
      return (await Reflect.apply(target, self, args)) as unknown
    },
  })
}

export const access = faulty('access', real.access)
export const chmod = faulty('chmod', real.chmod)
export const lstat = faulty('lstat', real.lstat)
export const mkdir = faulty('mkdir', real.mkdir)
export const opendir = faulty('readdir', real.opendir)
export const readFile = faulty('open-read', real.readFile)
export const readdir = faulty('readdir', real.readdir)
export const readlink = faulty('readlink', real.readlink)
export const rename = faulty('rename', real.rename)
export const rm = faulty('rm', real.rm)
export const rmdir = faulty('rmdir', real.rmdir)
export const stat = faulty('stat', real.stat)
export const unlink = faulty('unlink', real.unlink)
export const writeFile = faulty('write', real.writeFile)

export async function open(...args: Parameters<typeof real.open>): Promise<FileHandle> {
  const [path, flags] = args
  meet(writes(flags) ? 'open-write' : 'open-read', path)
  const handle = await real.open(...args)
  return Object.assign(handle, {
    read: faulty('read', handle.read.bind(handle), path),
    sync: faulty('sync', handle.sync.bind(handle), path),
    write: faulty('write', handle.write.bind(handle), path),
    writeFile: faulty('write', handle.writeFile.bind(handle), path),
  })
}

function writes(flags: string | number | undefined): boolean {
  if (typeof flags === 'number') return (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0
  return flags !== undefined && flags !== 'r'
}
