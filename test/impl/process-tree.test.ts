import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, expect, it, onTestFinished } from 'vitest'
import { observeProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import { endProcessTree, membersOf, parseTreeProcess, type TreeProcess } from '../../src/impl/process-tree.ts'
import type { ProcessIdentity } from '../../src/impl/runtime-impl.ts'
import { ifThere } from '../support/proc.ts'

function made(pid: number, parentPid: number, sessionId: number, state = 'S'): TreeProcess {
  return { pid, parentPid, sessionId, state, command: 'x', groupPid: pid, threads: 1, startTicks: '1' }
}
const root: ProcessIdentity = { pid: 10, startTicks: '1' }
const pidsOf = (processes: readonly TreeProcess[], of = root): number[] =>
  membersOf(processes, of, new Set()).map(({ pid }) => pid)

describe('the members of a tree', () => {
  it('are its descendants and who is in their sessions, whoever their parent is by now', () => {
    const all = [
      made(10, 1, 10),
      made(11, 10, 11),
      made(12, 11, 11),
      made(13, 1, 11),
      made(14, 13, 14),
      made(15, 1, 14),
    ]
    expect(pidsOf(all)).toEqual([11, 12, 13, 14, 15])
  })

  it("are not the root, those in the root's session, strangers and the dead", () => {
    const all = [made(10, 1, 5), made(11, 10, 5), made(20, 1, 5), made(21, 1, 21), made(12, 11, 12, 'Z')]
    expect(pidsOf(all)).toEqual([11])
  })

  it('are those that are known to belong, with what is below them, wherever they are', () => {
    const all = [made(10, 1, 10), made(20, 1, 20), made(21, 20, 20), made(30, 1, 30)]
    const marked = new Set([20])
    expect(membersOf(all, root, new Set(), marked).map(({ pid }) => pid)).toEqual([20, 21])
  })

  it("are none below a root whose pid is somebody else's by now", () => {
    expect(pidsOf([made(10, 1, 10), made(11, 10, 11)], { pid: 10, startTicks: '2' })).toEqual([])
  })
})

describe('parseTreeProcess', () => {
  it('finds the session behind a name with blanks and parentheses', () => {
    const rest = `S 2 3 44 0 -1 0 0 0 0 0 0 0 0 0 0 0 1 0 777 0`
    expect(parseTreeProcess(`9 (a) R 1 (b) ${rest}`)).toMatchObject({ pid: 9, sessionId: 44, parentPid: 2 })
  })
})

describe('endProcessTree', () => {
  it('ends children, grandchildren and orphans, and leaves the root', async () => {
    const script = `(sleep 1000 & sleep 1000 & echo $!) ; setsid sh -c 'sleep 1000 & echo $!; wait' & wait`
    const child = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
    const identity = readIdentitySync(child.pid ?? 0)
    if (identity === undefined) throw new Error('it did not start')
    onTestFinished(async () => {
      const hasExited = child.exitCode !== null || child.signalCode !== null
      const exited = hasExited ? undefined : once(child, 'exit')
      // The group, which is ours, if there is still somebody: a process 1 that takes the dead at once leaves none of it.
      ifThere(() => process.kill(-identity.pid, 'SIGKILL'))
      await exited
    })
    const pids: number[] = []
    for await (const line of createInterface(child.stdout)) if (pids.push(Number(line)) === 2) break
    const victim = pids.map((pid) => readIdentitySync(pid))[1]
    if (victim === undefined) throw new Error('its grandchild did not start')
    expect(await endProcessTree(identity, 5000)).toBe(true)
    expect(await observeProcess(victim)).toBe('gone')
  })
})
