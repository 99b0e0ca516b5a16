import { describe, expect, it } from 'vitest'
import {
  isVictim,
  type KernelRecord,
  type OomRecord,
  parseRecord,
  readOomRecord,
} from '../../../src/impl/host/oom-records.ts'

const scope = '/system.slice/runc-c1.scope'

/** As Linux 6.1 and 6.18 write it, from a container that ran `tail /dev/zero`. */
const announcement = `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=runc-c1.scope,mems_allowed=0,oom_memcg=${scope},task_memcg=${scope},task=tail,pid=2895,uid=0`
const killing =
  'Memory cgroup out of memory: Killed process 2895 (tail) total-vm:22248kB, anon-rss:20096kB, file-rss:1328kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:1'

const kernels = (text: string, sequence = 7): KernelRecord => ({ sequence, isKernels: true, text })
const announced: OomRecord = { sequence: 7, pid: 2895, cgroupPath: scope }

describe('a record of the kernel’s log', () => {
  it('has a number, and is the kernel’s or somebody else’s', () => {
    expect(parseRecord('6,20947,11343030827,-;oom-kill:a;b\n SUBSYSTEM=x\n')).toEqual({
      sequence: 20_947,
      isKernels: true,
      text: 'oom-kill:a;b',
    })
    expect(parseRecord('3,5,1,-,caller=T12;text\n')).toMatchObject({ sequence: 5, text: 'text' })
    expect(parseRecord('12,6,1,-;text\n')).toMatchObject({ isKernels: false })
  })

  it('is nothing when it is something else', () => {
    expect(parseRecord('')).toBeUndefined()
    expect(parseRecord('[1.0] text')).toBeUndefined()
  })
})

describe('an OOM kill in it', () => {
  it('is told with the memory cgroup', () => {
    expect(readOomRecord(kernels(announcement), undefined)).toEqual(announced)
    const ofTheHost = announcement
      .replace(/CONSTRAINT_MEMCG/, 'CONSTRAINT_NONE')
      .replace(/oom_memcg=[^,]*/, 'global_oom')
    expect(readOomRecord(kernels(ofTheHost), undefined)).toEqual(announced)
  })

  it('is told once, though the kernel writes of it twice', () => {
    expect(readOomRecord(kernels(killing, 8), announced)).toBeUndefined()
  })

  it('is told without the group when that is all the kernel writes', () => {
    const alone = { sequence: 8, pid: 2895, cgroupPath: undefined }
    expect(readOomRecord(kernels(killing, 8), undefined)).toEqual(alone)
    expect(readOomRecord(kernels(killing, 8), { ...announced, pid: 2894 })).toEqual(alone)
    const ofTheHost = killing.replace('Memory cgroup out', 'Out')
    expect(readOomRecord(kernels(ofTheHost, 8), undefined)).toEqual(alone)
    const byOption = killing.replace(
      'Memory cgroup out of memory',
      'Out of memory (oom_kill_allocating_task)',
    )
    expect(readOomRecord(kernels(byOption, 8), undefined)).toEqual(alone)
  })

  it('is not told by anybody but the kernel', () => {
    for (const text of [announcement, killing]) {
      expect(readOomRecord({ ...kernels(text), isKernels: false }, undefined)).toBeUndefined()
      expect(readOomRecord(kernels(`tail[12]: ${text}`), undefined)).toBeUndefined()
    }
  })

  it.each([
    ['a process', announcement.replace('task=tail', 'task=,task_memcg=/x')],
    [
      'a group',
      announcement.replaceAll(scope, '/system.slice/x.scope/y,task_memcg=/system.slice/runc-c1.scope'),
    ],
    [
      'a process with a longer name than there are',
      announcement.replace('task=tail', `task=${'x'.repeat(16)}`),
    ],
  ])('has no group when %s imitates the record', (_, text) => {
    expect(readOomRecord(kernels(text), undefined)).toEqual({ ...announced, cgroupPath: undefined })
  })
})

describe('a victim', () => {
  const initPid = 2895

  it('is the container’s when it is its init, or was in its cgroup or one below', () => {
    expect(isVictim({ ...announced, cgroupPath: undefined }, { initPid, cgroupPath: undefined })).toBe(true)
    expect(isVictim(announced, { initPid: 1, cgroupPath: scope })).toBe(true)
    expect(isVictim({ ...announced, cgroupPath: `${scope}/child` }, { initPid: 1, cgroupPath: scope })).toBe(
      true,
    )
  })

  it('is not when it was in another one, or when nobody knows where', () => {
    expect(isVictim(announced, { initPid: undefined, cgroupPath: undefined })).toBe(false)
    expect(isVictim(announced, { initPid: 1, cgroupPath: '/' })).toBe(false)
    expect(isVictim({ ...announced, cgroupPath: `${scope}2` }, { initPid: 1, cgroupPath: scope })).toBe(false)
    expect(isVictim({ ...announced, cgroupPath: undefined }, { initPid: 1, cgroupPath: scope })).toBe(false)
  })
})
