/** Runs one command to its end: bounded in time, in output, and in what a background child can hold up. */
import { stderrTailMaxBytes } from '../../errors/index.ts'
import { HeadBytes, TailBytes } from './bounded-output.ts'
import type { CommandResult } from './command.ts'
import { whenAborted, within } from './deadlines.ts'
import type { RunRequest } from './protocol.ts'
import { type Child, type ChildExit, drain, killGraceMs, spawnChild } from './spawn-child.ts'

const drainMs = 500
const unknownExit: ChildExit = { exitCode: undefined, signal: undefined }

export async function runCommand(
  request: RunRequest,
  abort: AbortSignal,
): Promise<CommandResult | 'aborted'> {
  const child = await spawnChild(request, ['ignore', 'pipe', 'pipe'])
  if ('errno' in child) return neverStarted(child)
  // Both are read at once and to the end: a command that fills the pipe nobody reads would hang (containerd#2807).
  const stdout = new HeadBytes(request.stdoutMaxBytes)
  const stderr = new TailBytes(stderrTailMaxBytes)
  const streams = [child.pipe(1), child.pipe(2)] as const
  streams[0].on('data', (chunk: Buffer) => stdout.push(chunk))
  streams[1].on('data', (chunk: Buffer) => stderr.push(chunk))

  const { exit, killedFor } = await endOf(child, request.timeoutMs, abort)
  await drain(streams, drainMs)
  if (killedFor === 'abort') return 'aborted'
  return {
    ...exit,
    timedOut: killedFor === 'timeout',
    stdout: stdout.toString(),
    stdoutTruncated: stdout.truncated,
    stderrTail: stderr.toString(),
  }
}

async function endOf(
  child: Child,
  timeoutMs: number,
  abort: AbortSignal,
): Promise<{ exit: ChildExit; killedFor: 'timeout' | 'abort' | undefined }> {
  const aborted = whenAborted(abort)
  const first = await within(Promise.race([child.exited, aborted]), timeoutMs)
  if (first !== undefined && first !== 'abort') return { exit: first, killedFor: undefined }
  child.kill()
  const exit = (await within(child.exited, killGraceMs)) ?? unknownExit
  return { exit, killedFor: first ?? 'timeout' }
}

function neverStarted(notStarted: { errno: string; path: string }): CommandResult {
  return {
    ...unknownExit,
    timedOut: false,
    stdout: '',
    stdoutTruncated: false,
    stderrTail: '',
    notStarted,
  }
}
