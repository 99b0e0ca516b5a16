/**
 * Has a runtime run ahead of the command that it starts.
 *
 * Of an exec, crun (1.8.1, and the newest source that was read) sets the terminal's size from outside, when the command's
 * process has handed it the terminal, and that process does not wait: what was meant to hold it back is written to the
 * reading end of a pipe(2), which fails unnoticed. On a busy host the command is often first, and sees a terminal of 0 x 0.
 * As a real-time process, by chrt(1), crun is run as soon as it is woken and not interrupted; what it forks, the command
 * above all, is an ordinary process again (SCHED_RESET_ON_FORK). On one CPU that is an order and no race. With several, a
 * virtual machine whose host takes crun's CPU away in that moment still loses it (seen once in 400 times); the size then
 * follows with SIGWINCH. runc was right 400 times in 400; a container's own terminal crun sizes from the child's side.
 *
 * Deliberately not here: keeping crun and the command on one CPU. Nothing would undo that for what the command forks before
 * we know its pid. Nothing else that a process spec can say makes crun's child wait.
 *
 * Where chrt is not allowed (it takes CAP_SYS_NICE) the race stays as it is.
 */
import { basename } from 'node:path'
import type { Launcher } from '../launcher/launcher.ts'
import { findProgram } from '../host/programs.ts'
import { searchPath } from '../search-path.ts'
import type { OciWorld } from './world.ts'

const options = ['--reset-on-fork', '--fifo', '1'] as const
const tryTimeoutMs = 10_000

/** The words to put before the runtime's own; none where they would do no good. Never rejects. */
export async function wordsToRunAhead(
  world: Pick<OciWorld, 'programs'>,
  launcher: Pick<Launcher, 'run'>,
  runtimePath: string,
  env: Readonly<Record<string, string>>,
): Promise<readonly [string, ...string[]] | undefined> {
  if (basename(runtimePath).startsWith('runc')) return undefined
  const path = searchPath(env)
  const key = `chrt --fifo\0${path}`
  const tried = world.programs.get(key) ?? findWorking(launcher, path)
  world.programs.set(key, tried)
  try {
    const chrt = await tried
    return chrt === undefined ? undefined : [chrt, ...options]
  } catch {
    // The launcher was lost. This command can do without; the next one tries again.
    world.programs.delete(key)
    return undefined
  }
}

async function findWorking(launcher: Pick<Launcher, 'run'>, path: string): Promise<string | undefined> {
  const chrt = await findProgram('chrt', path)
  if (chrt === undefined) return undefined
  const argv = [chrt, ...options, chrt, '--max'] as const
  const { exitCode } = await launcher.run({ argv, env: { PATH: path }, timeoutMs: tryTimeoutMs })
  return exitCode === 0 ? chrt : undefined
}
