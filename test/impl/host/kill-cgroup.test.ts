import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { expect, it, onTestFinished, vi } from 'vitest'
import { killCgroup } from '../../../src/impl/host/kill-cgroup.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

/** In a hierarchy that this host need not have. */
const pathsWith = (own: string) => (pid: number) =>
  Promise.resolve({ freezer: pid === process.pid ? own : '/c1' })

it('a process in a cgroup that may not be signalled saves none of the others', async () => {
  const [first, second] = [spawn('sleep', ['600']), spawn('sleep', ['600'])]
  onTestFinished(() => {
    vi.restoreAllMocks()
    for (const child of [first, second]) child.kill('SIGKILL')
  })
  const mountPoint = makeTempRoot()
  mkdirSync(`${mountPoint}/c1`)
  writeFileSync(`${mountPoint}/c1/cgroup.procs`, `${first.pid}\n${second.pid}\n`)
  const kill = process.kill.bind(process)
  vi.spyOn(process, 'kill').mockImplementation((pid, signal) => {
    if (pid === first.pid) throw Object.assign(new Error('not permitted'), { code: 'EPERM' })
    return kill(pid, signal)
  })
  const ended = once(second, 'exit')
  const mounts = [{ mountPoint, root: '/', controllers: ['freezer'] }]
  expect(await killCgroup(mounts, [`${mountPoint}/c1`], pathsWith('/supervisor'))).toBe(false)
  expect(await ended).toEqual([null, 'SIGKILL'])
})

it.each(['/c1', '/c1/below'])('in the cgroup %s, in which we are, nobody is killed', async (path) => {
  const child = spawn('sleep', ['600'])
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const mountPoint = makeTempRoot()
  mkdirSync(`${mountPoint}/c1`)
  writeFileSync(`${mountPoint}/c1/cgroup.procs`, `${child.pid}\n`)
  const mounts = [{ mountPoint, root: '/', controllers: ['freezer'] }]
  expect(await killCgroup(mounts, [`${mountPoint}/c1`], pathsWith(path))).toBe(true)
  expect([child.exitCode, child.signalCode]).toEqual([null, null])
})
