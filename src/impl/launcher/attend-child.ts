/**
 * The launcher's side of attended children: spawned with FIFOs as their standard streams, reported when they end.
 *
 * Not by execa as the short commands are: nothing here is buffered or waited for but the exit itself.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf, stderrTailMaxBytes } from '../../errors/index.ts'
import { readIdentitySync } from '../process-identity.ts'
import { endProcessTree } from '../process-tree.ts'
import type { AttendedEnd, AttendingReply, AttendRequest, OrphanPolicy } from './attend-protocol.ts'
import { TailBytes } from './bounded-output.ts'
import type { NotStarted } from './command.ts'
import { openBlocking, type FifoAccess } from './open-fifo.ts'
import { drain, killGraceMs, socketOf } from './spawn-child.ts'

interface Attended {
  readonly child: ChildProcess
  readonly onOrphan: OrphanPolicy
}

const drainMs = 500
const pauseMs = 20

export class AttendedProcesses {
  readonly #children = new Map<number, Attended>()
  readonly #tell: (reply: AttendingReply) => void
  #orphaned = false

  constructor(tell: (reply: AttendingReply) => void) {
    this.#tell = tell
  }

  get size(): number {
    return this.#children.size
  }

  /** Resolves when there is nothing more to report of it. */
  async attend(request: AttendRequest): Promise<void> {
    const { id } = request
    const child = spawnAttended(request)
    if ('errno' in child) {
      this.#tell({ type: 'attended', id, end: child })
      return
    }
    const { pid } = child
    if (pid !== undefined) {
      this.#children.set(id, { child, onOrphan: request.onOrphan })
      this.#tell({ type: 'attending', id, pid })
    }
    const end = await endOf(child, request)
    // Left to itself when the supervisor went.
    if (pid !== undefined && !this.#children.delete(id)) return
    this.#tell({ type: 'attended', id, end })
  }

  /** An unknown id has been reported already; the two messages crossed. */
  dismiss(id: number): void {
    this.#children.get(id)?.child.kill('SIGKILL')
  }

  /** The supervisor is gone: everything is brought to an end, or goes on without us. */
  async orphan(): Promise<void> {
    if (this.#orphaned) return
    this.#orphaned = true
    await Promise.all(
      [...this.#children].map(async ([id, { child, onOrphan }]) => {
        if (onOrphan === 'kill') await endTreeOf(child)
        child.unref()
        this.#children.delete(id)
      }),
    )
  }
}

/** Again and again until it ends by itself: one that was just spawned has nothing below it yet. */
async function endTreeOf(child: ChildProcess): Promise<void> {
  const root = child.pid === undefined ? undefined : readIdentitySync(child.pid)
  if (root === undefined) return
  const endMs = performance.now() + killGraceMs
  do {
    await endProcessTree(root, killGraceMs)
    await delay(pauseMs)
  } while (isRunning(child) && performance.now() < endMs)
  if (isRunning(child)) child.kill('SIGKILL')
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null
}

function spawnAttended({ argv: [file, ...args], env, cwd, stdio }: AttendRequest): ChildProcess | NotStarted {
  const opened: number[] = []
  let opening: string | undefined
  const open = (path: string, access: FifoAccess): number => {
    opening = path
    const fd = openBlocking(path, access)
    opening = undefined
    opened.push(fd)
    return fd
  }
  const openOr = <Other>(path: string | undefined, access: FifoAccess, other: Other): number | Other =>
    path === undefined ? other : open(path, access)
  try {
    const streams = [
      openOr(stdio.stdin, 'read', 'ignore' as const),
      openOr(stdio.stdout, 'write', 'ignore' as const),
      openOr(stdio.stderr, 'write', 'pipe' as const),
    ]
    const more = (stdio.more ?? []).map(({ path, access }) => open(path, access))
    return spawn(file, args, { env, cwd, detached: true, stdio: [...streams, ...more] })
  } catch (error) {
    const errno = errnoOf(error) ?? 'UNKNOWN'
    return opening === undefined ? { errno, path: file } : { errno, path: opening, isFifo: true }
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}

async function endOf(child: ChildProcess, { argv, stdio }: AttendRequest): Promise<AttendedEnd | NotStarted> {
  const tail = new TailBytes(stderrTailMaxBytes)
  child.stderr?.on('data', (chunk: Buffer) => tail.push(chunk)).on('error', () => undefined)
  const exit = await new Promise<AttendedEnd | NotStarted>((resolve) => {
    child.once('exit', (exitCode, signal) =>
      resolve({ exitCode: exitCode ?? undefined, signal: signal ?? undefined, stderrTail: '' }),
    )
    // It may come more than once; only that of the spawn has no pid.
    child.on('error', (error) => {
      if (child.pid === undefined) resolve({ errno: errnoOf(error) ?? 'UNKNOWN', path: argv[0] })
    })
  })
  if ('errno' in exit || stdio.stderr !== undefined) return exit
  await drain([socketOf(child.stderr)], drainMs)
  return { ...exit, stderrTail: tail.toString() }
}
