/**
 * A vitest setup file: fails a test file that leaves anything on the host. What counts as left is in leaks.ts.
 *
 * What is going away by itself when the last test ends gets a few seconds for that. What stays is reported, and processes
 * among it are killed, so that one leak does not make the following files fail too.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
import { leaksThatStay, takeSnapshot, type HostSnapshot, type Leak } from './leaks.ts'
import { madeByThisFile, makeTempRoot, removeTempRoots } from './temp-root.ts'

/**
 * Makes libuv open what it opens once per process and keeps for ever (the pipe behind SIGCHLD, the inotify descriptor):
 * so the count of descriptors afterwards can be exact, without a tolerance behind which a leak could hide.
 */
async function openWhatStaysOpen(): Promise<void> {
  watch('/').close()
  await once(spawn('true', { stdio: 'ignore' }), 'close')
}

function kill(leaks: readonly Leak[]): void {
  for (const { pid } of leaks) {
    if (pid === undefined) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }
}

// Whoever asks for a temporary directory by other means than makeTempRoot gets one that we know, too.
process.env['TMPDIR'] = makeTempRoot()

let before: HostSnapshot | undefined

beforeAll(async () => {
  await openWhatStaysOpen()
  before = takeSnapshot()
})

afterAll(async () => {
  if (before === undefined) return
  const leaks = await leaksThatStay(before, madeByThisFile())
  kill(leaks)
  // Here and not only by itself: once one hook has thrown, the others do not run.
  removeTempRoots()
  if (leaks.length > 0) throw new Error(`left behind:\n${leaks.map(({ what }) => `  ${what}`).join('\n')}`)
})
