/**
 * A mark on every process of a command, so that its end takes with it a daemon that has left its tree by setsid(2) and the
 * end of its parent.
 *
 * The mark is a resource limit: a number of the command's own as RLIMIT_RTTIME, which limits nothing but real-time
 * processes, and those to a century. Children inherit it, and neither execve(2), a cleared environment nor a program that
 * overwrites its title takes it away. It is read from /proc/PID/limits, which, unlike environ and cmdline, takes no lock
 * that the process could hold.
 *
 * What it does not do: hold a process that changes its limit by setrlimit(2) in order to escape. That takes a cgroup of
 * its own (exec-cgroup.ts), which is used where there is one.
 */
import { randomInt } from 'node:crypto'
import type { OciProcess } from '../../bundle/oci-spec.ts'
import { readKernelFile } from '../host/kernel-file.ts'
import type { TreeProcess } from '../process-tree.ts'

const limitType = 'RLIMIT_RTTIME'
/** Microseconds: 142 years, and beside 2^52 a number that JSON and the kernel agree on. */
const markBaseUs = 2 ** 52
const marksMax = 2 ** 48 - 1

export type ExecMark = number

/** Undefined where the limit is in use already: in the container's spec, or on us, who may not raise it. */
export async function makeExecMark({ rlimits = [] }: OciProcess): Promise<ExecMark | undefined> {
  if (rlimits.some(({ type }) => type === limitType)) return undefined
  if ((await limitOf('self')) !== 'unlimited') return undefined
  return markBaseUs + randomInt(marksMax)
}

export function markedProcess(process: OciProcess, mark: ExecMark | undefined): OciProcess {
  if (mark === undefined) return process
  return { ...process, rlimits: [...(process.rlimits ?? []), { type: limitType, soft: mark, hard: mark }] }
}

/** What was read of a process as it was found, for all who look for their mark at once. */
const known = new WeakMap<TreeProcess, Promise<string | undefined>>()

export async function hasMark(process: TreeProcess, mark: ExecMark): Promise<boolean> {
  const limit = known.get(process) ?? limitOf(process.pid)
  known.set(process, limit)
  return (await limit) === String(mark)
}

/** The hard one: a process may use less than it is allowed. */
async function limitOf(pid: number | 'self'): Promise<string | undefined> {
  const text = await readKernelFile(`/proc/${pid}/limits`)
  return /^Max realtime timeout +\S+ +(\S+)/m.exec(text ?? '')?.[1]
}
