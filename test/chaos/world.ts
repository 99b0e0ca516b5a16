/**
 * What the host says of the containers of a chaos run: /proc, cgroups, the runtime's own list, directories. Nothing of
 * the product is asked or imported, since this is what the product is measured by.
 */
import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync, rmdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ifThere, processes, readIfThere } from '../support/proc.ts'
import { bundleOf, runtimePrograms, runtimeRootOf, type Ground } from './ground.ts'

const listSchema = z.array(z.object({ id: z.string(), status: z.string(), pid: z.number() })).nullable()

export type RuntimeStatus = 'absent' | 'created' | 'running' | 'paused' | 'stopped' | (string & {})

export interface Sight {
  /** What the runtime says of it. */
  readonly status: RuntimeStatus
  /** Processes in its cgroup. */
  readonly pids: readonly number[]
  readonly monitors: readonly number[]
}

const listAttemptsMax = 5

/** The containers that the runtime knows. runc's list fails when one of them is deleted while it looks at it. */
function listedBy(ground: Ground, attempt = 1): { id: string; status: string; pid: number }[] {
  const root = runtimeRootOf(ground)
  if (ifThere(() => readdirSync(root).length) === undefined) return []
  const args = ['--root', root, 'list', '-f', 'json']
  try {
    const text = execFileSync(runtimePrograms[ground.handler], args, { encoding: 'utf8', stdio: 'pipe' })
    return listSchema.parse(JSON.parse(text)) ?? []
  } catch (error) {
    if (attempt === listAttemptsMax) throw error
    return listedBy(ground, attempt + 1)
  }
}

export function sightOf(ground: Ground, id: string): Sight {
  const listed = listedBy(ground).find((one) => one.id === id)
  return { status: listed?.status ?? 'absent', pids: membersOf(id), monitors: monitorsOf(ground, id) }
}

/** Living processes below a cgroup of that name, whatever the controller. */
function membersOf(id: string): number[] {
  return [...processes().values()]
    .filter(({ pid, state }) => state !== 'Z' && namesCgroup(readIfThere(`/proc/${pid}/cgroup`), id))
    .map(({ pid }) => pid)
}

function namesCgroup(text: string, id: string): boolean {
  return text.split('\n').some((line) => line.split(':').at(-1)?.split('/').includes(id) === true)
}

function monitorsOf(ground: Ground, id: string): number[] {
  const bundle = bundleOf(ground, id)
  return [...processes().values()]
    .filter(({ pid, state }) => state !== 'Z' && isMonitor(readIfThere(`/proc/${pid}/cmdline`), bundle))
    .map(({ pid }) => pid)
}

function isMonitor(commandLine: string, bundle: string): boolean {
  const argv = commandLine.split('\0')
  return argv[argv.indexOf('-b') + 1] === bundle && argv.includes('--exit-dir')
}

/** Whether a stop that is under way stands in the container's state file: then it has to be brought to its end. */
export function stopIsRecorded(ground: Ground, id: string): boolean {
  return /"stop":\{/.test(readIfThere(join(bundleOf(ground, id), 'state.json')))
}

/** Everything that is there of a run besides what a run may leave; one line each. */
export function leftovers(ground: Ground): string[] {
  return [...processesOf(ground), ...cgroupsOf(ground), ...filesOf(ground), ...openEndsOf(ground)]
}

function processesOf({ root, idPrefix }: Ground): string[] {
  return [...processes().values()]
    .filter(({ pid, state }) => pid !== process.pid && state !== 'Z')
    .filter(
      ({ pid, command }) =>
        command.includes(`${root}/`) || readIfThere(`/proc/${pid}/cgroup`).includes(`/${idPrefix}-`),
    )
    .map(({ pid, command }) => `process ${pid}: ${command.slice(0, 160)}`)
}

/** statfs's magic numbers of cgroup v1 and v2; crun makes plain directories below the tmpfs that hides the v2 tree. */
const cgroupMagics = new Set([0x27e0eb, 0x63677270])

function cgroupsOf({ idPrefix }: Ground): string[] {
  const below = (directory: string, depth: number): string[] => {
    const entries = ifThere(() => readdirSync(directory, { withFileTypes: true })) ?? []
    return entries
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => {
        const path = join(directory, name)
        if (name.includes(`${idPrefix}-`)) {
          return cgroupMagics.has(ifThere(() => statfsSync(path).type) ?? 0) ? [`cgroup ${path}`] : []
        }
        return depth > 0 ? below(path, depth - 1) : []
      })
  }
  // Hierarchies, the groups in their roots, and one level more for groups of monitors.
  return below('/sys/fs/cgroup', 2)
}

/** Files that a run may leave: what was given (bundles), logs, and the program of the launcher. */
function mayStay(path: string): boolean {
  return /^(b\/[^/]+\/(config\.json|.*\.log|log)|\w+-launcher\.mjs(\.ran)?|state\/lock)$/.test(path)
}

function filesOf({ root }: Ground): string[] {
  const paths = ifThere(() => readdirSync(root, { recursive: true, encoding: 'utf8' })) ?? []
  return paths
    .filter((path) => {
      const stats = ifThere(() => lstatSync(join(root, path)))
      return stats !== undefined && !stats.isDirectory() && !mayStay(path)
    })
    .map((path) => `file ${path}`)
}

function openEndsOf({ root }: Ground): string[] {
  const find = (file: string, what: string): string[] =>
    readIfThere(file)
      .split('\n')
      .filter((line) => line.includes(`${root}/`))
      .map((line) => `${what} ${line.trim()}`)
  return [...find('/proc/net/unix', 'open socket'), ...find('/proc/self/mountinfo', 'mount')]
}

/** One that is in use is tried again in the next round. */
function removeCgroup(path: string): void {
  ifThere(() => {
    try {
      rmdirSync(path)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EBUSY')) throw error
    }
  })
}

/** Ends and removes whatever is left of a run that failed, so that the next one begins on clean ground. */
export function sweep(ground: Ground): void {
  for (let round = 0; round < 50; round += 1) {
    const pids = processesOf(ground).map((line) => Number(/^process (\d+)/.exec(line)?.[1]))
    for (const pid of pids) ifThere(() => process.kill(pid, 'SIGKILL'))
    for (const line of cgroupsOf(ground)) removeCgroup(line.replace('cgroup ', ''))
    for (const line of openEndsOf(ground)) {
      const mount = /^mount (?:\S+ ){4}(\S+)/.exec(line)?.[1]
      if (mount !== undefined) execFileSync('umount', ['-l', mount])
    }
    if (processesOf(ground).length === 0 && cgroupsOf(ground).length === 0) return
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  }
}
