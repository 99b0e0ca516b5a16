/** Fake monitors, written as shell scripts. Knows no test runner: the embedder of these tests uses them, too. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MonitorCommand } from '../../../src/impl/launcher/launcher.ts'

export const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }

const monitorEnv = { ...env, _OCI_SYNCPIPE: '3', _OCI_STARTPIPE: '4' }

/** How many monitors an embedder of that name starts. */
export const crowdSize = 8

/** A shell script in the part of conmon: fd 3 is the sync pipe, fd 4 the start pipe. */
export function fakeMonitor(dir: string, script: string): MonitorCommand {
  const file = join(dir, 'monitor.sh')
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return { argv: [file], env: monitorEnv, cwd: dir, timeoutMs: 20_000, syncFifo: makeFifo(dir) }
}

export function makeFifo(dir: string): string {
  const path = join(dir, `sync-${randomBytes(4).toString('hex')}`)
  execFileSync('mkfifo', ['-m', '600', path])
  return path
}

/** Waits for the start byte; the end of the pipe counts, too, as it does for conmon. */
export const awaitStart = 'head -c1 <&4 >/dev/null'

/** Leaves a daemon that keeps the sync pipe open and writes its pid to `daemon`, then answers. */
export const forkDaemon = `sleep 600 4<&- 2>/dev/null &
echo $! >daemon`
