/**
 * What supervisors that have ended leave in the shared directories: temporary files of exits, meeting points with helper
 * programs, and commands in containers that nobody listens to any more.
 *
 * Deliberately not here: what belongs to one container, which goes with it.
 */
import { readdir } from 'node:fs/promises'
import { readIfThere } from '../host/cgroups.ts'
import { abandonedHomes, removeHome } from '../host/exec-home.ts'
import { removeExitTemporaries } from '../host/monitor-temporaries.ts'
import { abandonedIn } from '../host/owner-mark.ts'
import { removeFile } from '../host/remove-file.ts'
import { readIdentity } from '../process-identity.ts'
import { endProcessTree } from '../process-tree.ts'
import type { OciWorld } from './world.ts'

const execEndMs = 2000

/** Where the attach helper meets us. */
export function bridgeDirectory(runDir: string): string {
  return `${runDir}/bridge`
}

/** `ids`: containers whose monitor writes nothing any more. Throws ERR_IO. */
export async function tidy(world: OciWorld, ids: ReadonlySet<string>): Promise<void> {
  const { containerExitsDir, runDir } = world.config
  await removeExitTemporaries(containerExitsDir, ids)
  for (const directory of [`${runDir}/forward`, bridgeDirectory(runDir)])
    for (const socket of await abandonedIn(directory)) await removeFile(socket)
  const homes = await abandonedHomes(runDir)
  if (homes.length === 0) return
  await endCommandsOf(homes)
  for (const home of homes) await removeHome(home)
}

/** Monitors of commands are found by their arguments, which name their files. */
async function endCommandsOf(homes: readonly string[]): Promise<void> {
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) continue
    const argv = ((await readIfThere(`/proc/${pid}/cmdline`)) ?? '').split('\0')
    if (!argv.some((argument) => homes.some((home) => argument.startsWith(`${home}/`)))) continue
    const monitor = await readIdentity(pid)
    if (monitor !== undefined) await endProcessTree(monitor, execEndMs)
  }
}
