/**
 * A cgroup of its own for a command, below the container's, so that its end takes with it what had left its tree by
 * setsid(2) and the end of its parent.
 *
 * Only with runc, which is told the hierarchy by name. crun 1.8 takes a bare path, and on cgroup v1 then leaves the
 * command out of all the container's other groups, limits included; there the command is marked instead (exec-mark.ts).
 */
import { mkdir, rmdir, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { readIdentity } from '../process-identity.ts'
import { signalIfAllowed } from '../process-tree.ts'
import { controllerDirectory, readCgroupProcesses } from '../host/cgroups.ts'
import type { OciWorld, Place } from './world.ts'

const SIGKILL = 9
const pauseMs = 10

export interface ExecCgroup {
  /** For `runc exec`. */
  readonly option: string
  /** Kills everything in it; true when it is empty within the limit. */
  end(limitMs: number): Promise<boolean>
  /** Removes it unless something that the command left behind is in it: then it goes with the container's. */
  remove(): Promise<void>
}

/** Undefined where there is none to be had. */
export async function makeExecCgroup(
  world: OciWorld,
  { container, paths }: Place,
  runtimePath: string,
  execId: string,
): Promise<ExecCgroup | undefined> {
  if (!basename(runtimePath).startsWith('runc')) return undefined
  const notes = await world.notebook.read(container, paths.notesFile)
  if (notes === undefined) return undefined
  const parent = controllerDirectory(await world.cgroupMounts(), notes.cgroupPaths, 'freezer')
  if (parent === undefined) return undefined
  const name = `exec-${execId}`
  const directory = `${parent.directory}/${name}`
  try {
    await mkdir(directory)
  } catch {
    // A container that is gone says so itself; one whose cgroups are not ours to change has no such group.
    return undefined
  }
  return {
    option: `--cgroup=${parent.version === 1 ? `freezer:${name}` : name}`,
    end: (limitMs) => endAll(directory, parent.version, limitMs),
    remove: () => remove(directory),
  }
}

async function endAll(directory: string, version: 1 | 2, limitMs: number): Promise<boolean> {
  // Nobody forks while frozen; the kill is delivered at the thaw. v2 has both in one step.
  const killed = version === 2 && (await write(`${directory}/cgroup.kill`, '1'))
  if (version === 1) await write(`${directory}/freezer.state`, 'FROZEN')
  const endMs = performance.now() + limitMs
  for (;;) {
    const pids = await readCgroupProcesses(directory)
    if (!killed) for (const pid of pids) await kill(pid)
    if (version === 1) await write(`${directory}/freezer.state`, 'THAWED')
    if (pids.length === 0) return true
    if (performance.now() > endMs) return false
    await delay(pauseMs)
  }
}

async function kill(pid: number): Promise<void> {
  const identity = await readIdentity(pid)
  if (identity !== undefined) signalIfAllowed(identity, SIGKILL)
}

/** False when there is no such file. */
async function write(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'r+' })
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return false
    throw ioError('write', file, error)
  }
}

async function remove(directory: string): Promise<void> {
  try {
    await rmdir(directory)
  } catch (error) {
    if (errnoOf(error) !== 'EBUSY' && errnoOf(error) !== 'ENOENT') throw ioError('remove', directory, error)
  }
}
