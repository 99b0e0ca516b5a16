/**
 * One child of the launcher: spawned by execa, killed as a group, its end told once.
 *
 * Deliberately not used: execa's own result. It waits for every stream, which for a monitor means for the life of the
 * container, and for a command with a background child as long as that child likes.
 */
import { stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { execa } from 'execa'
import type { NotStarted } from './command.ts'
import { within } from './deadlines.ts'

export interface ChildExit {
  readonly exitCode: number | undefined
  readonly signal: string | undefined
}

export interface Child {
  readonly pid: number
  /** Settles at the child's exit, whatever becomes of its streams; never rejects. */
  readonly exited: Promise<ChildExit>
  /** The stream behind a descriptor that was asked for as `pipe`. */
  pipe(fd: number): Socket
  /** SIGKILL to the child's process group, as long as the child has not been reaped. */
  kill(): void
}

export interface ChildCommand {
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** A descriptor of ours for the child to have. */
export type OwnFd = 3 | 4 | 5 | 6 | 7 | 8 | 9

/** A killed process is given up on after this: in uninterruptible sleep (state D) SIGKILL waits. */
export const killGraceMs = 2000

export async function spawnChild(
  { argv: [file, ...args], env, cwd }: ChildCommand,
  stdio: readonly ['ignore', 'pipe', 'pipe', ...(OwnFd | 'pipe')[]],
): Promise<Child | NotStarted> {
  const spawned = execa(file, args, {
    cwd,
    env,
    extendEnv: false,
    // Its exit handler would kill monitors together with the launcher.
    cleanup: false,
    // A process group per child, so that a runtime's helpers die with it.
    killDescendants: true,
    forceKillAfterDelay: false,
    buffer: false,
    reject: false,
    stdio,
  })
  const { nodeChildProcess: child, pid } = spawned
  // Node's stand-in for a child that could not be spawned emits, too.
  child.on('error', ignoreError)
  for (const stream of child.stdio) stream?.on('error', ignoreError)
  if (pid === undefined) return whyNotStarted(await spawned, file, cwd)

  let reaped = false
  const exited = new Promise<ChildExit>((resolve) => {
    child.once('exit', (exitCode, signal) => {
      reaped = true
      resolve({ exitCode: exitCode ?? undefined, signal: signal ?? undefined })
    })
  })
  return {
    pid,
    exited,
    pipe: (fd) => socketOf(child.stdio[fd]),
    // Until we reap it nobody else can have the pid; afterwards it may be anyone's.
    kill: () => void (reaped || spawned.kill('SIGKILL')),
  }
}

/** Reads on for a moment after an exit, then closes: a background child may hold the other end for ever. */
export async function drain(streams: readonly Socket[], limitMs: number): Promise<void> {
  await within(Promise.all(streams.map(closed)), limitMs)
  for (const stream of streams) stream.destroy()
}

async function closed(stream: Socket): Promise<void> {
  if (stream.closed) return
  await new Promise<void>((resolve) => stream.once('close', () => resolve()))
}

export function socketOf(stream: unknown): Socket {
  if (stream instanceof Socket) return stream
  throw new Error('the child was spawned without that pipe')
}

/** ENOENT does not say whether the program or its working directory is missing. */
async function whyNotStarted(result: { code?: unknown }, file: string, cwd: string): Promise<NotStarted> {
  const errno = typeof result.code === 'string' ? result.code : 'UNKNOWN'
  try {
    await stat(cwd)
    return { errno, path: file }
  } catch {
    return { errno, path: cwd }
  }
}

/** Streams and children of a dead process fail in many ways (EPIPE, ECONNRESET); the exit says all that matters. */
function ignoreError(): void {
  // Without a listener Node would end the launcher, and with it the supervision of every other command.
}
