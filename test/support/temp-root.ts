/**
 * Directories for tests: short, private, removed after the test file, and known to the leak gate.
 *
 * Short, because everything of a container hangs below one and a Unix socket's path has 107 bytes. A process, mount or
 * socket that mentions such a directory is for certain ours, also after its parent is gone.
 */
import { readFileSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const roots: string[] = []
const containerIds: string[] = []

/** A new empty directory `/tmp/os-XXXXXX`. May be called at the top of a test file, in hooks and in tests. */
export function makeTempRoot(): string {
  // macOS has /tmp behind a link, and what the library reports is then the real path.
  const root = mkdtempSync(join(realpathSync('/tmp'), 'os-'))
  roots.push(root)
  return root
}

/** A container id that no other test has. The leak gate looks for cgroups and runtime directories of that name. */
export function makeContainerId(prefix = 'c'): string {
  const id = `${prefix}-${process.pid.toString(36)}-${containerIds.length}-${Date.now().toString(36)}`
  containerIds.push(id)
  return id
}

/** What this test file has made so far. */
export function madeByThisFile(): {
  readonly roots: readonly string[]
  readonly containerIds: readonly string[]
} {
  return { roots, containerIds }
}

/** The lines of our mount table that mention `path`. Empty where there is no /proc. */
export function mountsMentioning(path: string, mountTable = '/proc/self/mountinfo'): string[] {
  if (process.platform !== 'linux') return []
  return readFileSync(mountTable, 'utf8')
    .split('\n')
    .filter((line) => line.includes(path))
}

/** Removes what {@link makeTempRoot} made. Runs by itself after the test file. */
export function removeTempRoots(): void {
  for (const root of roots.splice(0)) {
    // Removing through a bind mount would delete what is behind it: the host's files.
    const mounts = mountsMentioning(root)
    if (mounts.length > 0)
      throw new Error(`${root} is left in place, since it has mounts:\n${mounts.join('\n')}`)
    rmSync(root, { recursive: true, force: true, maxRetries: 3 })
  }
}

// Hooks run last registered first, so what a test file registers itself runs before this.
afterAll(removeTempRoots)
