/** What this host can do: which runtime it has, and whether it can limit memory. */
import { existsSync } from 'node:fs'
import { access, constants, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { CannotBegin } from './cannot-begin.ts'
import type { RuntimeName } from './options.ts'

/** What runs the containers. */
export type RuntimeChoice =
  | { readonly kind: 'real'; readonly name: 'runc' | 'crun'; readonly path: string }
  | { readonly kind: 'simulated'; readonly why: string }

/** The runtime that was asked for, or the best one here. Real containers need Linux and root. */
export async function chooseRuntime(asked: RuntimeName | undefined): Promise<RuntimeChoice> {
  if (asked === 'sim') return { kind: 'simulated', why: 'as asked for' }
  if (process.platform !== 'linux') return { kind: 'simulated', why: `${process.platform} has no containers` }
  if (process.getuid?.() !== 0) return { kind: 'simulated', why: 'real containers need root' }
  for (const name of asked === undefined ? preferredRuntimes() : [asked]) {
    const path = await findProgram(name)
    if (path !== undefined) return { kind: 'real', name, path }
  }
  const missing = asked === undefined ? 'neither crun nor runc is' : `${asked} is not`
  throw new CannotBegin(`${missing} installed on this host; --runtime sim needs none`)
}

/** crun refuses hosts that mount cgroup v2 beside v1. */
function preferredRuntimes(): readonly ('runc' | 'crun')[] {
  return existsSync('/sys/fs/cgroup/unified/cgroup.controllers') ? ['runc', 'crun'] : ['crun', 'runc']
}

/** Absolute path of a program, or undefined. Looks in the system's directories too, which a PATH may lack. */
export async function findProgram(name: string): Promise<string | undefined> {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory.startsWith('/'))
  for (const directory of [...onPath, '/usr/local/sbin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
    const path = join(directory, name)
    try {
      await access(path, constants.X_OK)
      return path
    } catch {
      // Not in this directory.
    }
  }
  return undefined
}

/** Some kernels boot without the memory controller, and some containers are not given it. */
export async function canLimitMemory(): Promise<boolean> {
  if (existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes')) return true
  const controllers = '/sys/fs/cgroup/cgroup.controllers'
  return existsSync(controllers) && (await readFile(controllers, 'utf8')).split(/\s+/).includes('memory')
}
