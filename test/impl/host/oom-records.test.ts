import { describe, expect, it } from 'vitest'
import { type KernelRecord, parseRecord, readOomRecord } from '../../../src/impl/host/oom-records.ts'

const kernels = (text: string): KernelRecord => ({ sequence: 8, isKernels: true, text })

/** As Linux 6.1 and 6.18 write them, of a container that ran `tail /dev/zero`. */
const announcement =
  'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,mems_allowed=0,oom_memcg=/c1,task_memcg=/c1,task=tail,pid=2895,uid=0'
const killing =
  'Memory cgroup out of memory: Killed process 2895 (tail) total-vm:22248kB, anon-rss:20096kB, file-rss:1328kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:1'

describe('a record of the kernel’s log', () => {
  it('has a number, and is the kernel’s or somebody else’s', () => {
    expect(parseRecord('6,20947,11343030827,-;oom-kill:a;b\n SUBSYSTEM=x\n')).toEqual({
      sequence: 20_947,
      isKernels: true,
      text: 'oom-kill:a;b',
    })
    expect(parseRecord('3,5,1,-,caller=T12;text\n')).toMatchObject({ sequence: 5, text: 'text' })
    expect(parseRecord('7,6,1,-;text\n')).toMatchObject({ isKernels: true })
    expect(parseRecord('8,6,1,-;text\n')).toMatchObject({ isKernels: false })
  })

  it('is nothing when it is something else', () => {
    expect(parseRecord('')).toBeUndefined()
    expect(parseRecord('[1.0] text')).toBeUndefined()
  })
})

describe('an OOM kill in it', () => {
  it.each([
    ['in a memory cgroup', killing],
    ['for the whole host', killing.replace('Memory cgroup out', 'Out')],
    [
      'of the process that asked for memory',
      killing.replace('Memory cgroup out of memory', 'Out of memory (oom_kill_allocating_task)'),
    ],
    ['as older kernels have it', killing.replace(/^.*: (?=Killed)/, '')],
  ])('is told %s', (_, text) => {
    expect(readOomRecord(kernels(text))).toEqual({ sequence: 8, pid: 2895 })
  })

  it('is none when it is announced only', () => {
    expect(readOomRecord(kernels(announcement))).toBeUndefined()
    expect(
      readOomRecord(kernels('OOM victim 2895 (tail) is already exiting. Skip killing the task')),
    ).toBeUndefined()
  })

  it('is not told by anybody but the kernel', () => {
    expect(readOomRecord({ ...kernels(killing), isKernels: false })).toBeUndefined()
    expect(readOomRecord(kernels(`tail[12]: ${killing}`))).toBeUndefined()
  })
})
