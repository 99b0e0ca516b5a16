import { expect, it } from 'vitest'
import { Container } from '../../../src/container.ts'
import { cgroupDirectories, ownCgroups, readCgroupPaths } from '../../../src/impl/host/cgroups.ts'
import { assertOwnCgroup, areTheSame, notedCgroups } from '../../../src/impl/oci/own-cgroup.ts'

const container = new Container({ id: 'c', bundlePath: '/b' })
const notes = {
  runtimeRoot: '/r',
  ownPidNamespace: true,
  init: undefined,
  monitorCgroups: [],
  monitorScope: undefined,
}

it('a container that stays where its monitor is has no cgroup of its own', async () => {
  const paths = { '': '/agent.service' }
  expect(areTheSame(paths, { ...paths })).toBe(true)
  expect(areTheSame(paths, { '': '/agent.service/crio-conmon-c' })).toBe(false)
})

it('a container has one where a hierarchy tells it from its monitor, or one of them has gone', () => {
  expect(areTheSame({ memory: '/c', '': '/' }, { memory: '/crio-conmon-c', '': '/' })).toBe(false)
  expect(areTheSame({}, {})).toBe(false)
  expect(areTheSame({ '': '/c' }, {})).toBe(false)
})

it.runIf(process.platform === 'linux')('what is noted of it says so, and names no group', async () => {
  const own = await readCgroupPaths(process.pid)
  expect(await notedCgroups(own, process.pid)).toEqual({ cgroupPaths: {}, sharesCgroup: true })
  expect(await notedCgroups(own, undefined)).toEqual({ cgroupPaths: own })
})

it('what needs a cgroup is then refused, naming the field of the bundle', () => {
  const shared = { ...notes, cgroupPaths: {}, sharesCgroup: true }
  expect(() => assertOwnCgroup(container, shared, 'it cannot be frozen alone')).toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED', field: 'linux.cgroupsPath', containerId: 'c' }),
  )
  expect(() => assertOwnCgroup(container, { ...notes, cgroupPaths: {} }, '')).not.toThrow()
  expect(() => assertOwnCgroup(container, undefined, '')).not.toThrow()
})

it('a group that only its monitor is in as well is not noted as its own', () => {
  const paths = { memory: '/c', '': '/system.slice/agent.service' }
  expect(ownCgroups(paths, { memory: '/crio-conmon-c', '': '/system.slice/agent.service' })).toEqual({
    memory: '/c',
  })
})

it('what is mounted itself is nobody’s group', () => {
  const mounts = [{ mountPoint: '/sys/fs/cgroup/memory', root: '/docker/x', controllers: ['memory'] }]
  expect(cgroupDirectories(mounts, { memory: '/docker/x' })).toEqual([])
  expect(cgroupDirectories(mounts, { memory: '/' })).toEqual([])
  expect(cgroupDirectories(mounts, { memory: '/docker/x/c' })).toEqual(['/sys/fs/cgroup/memory/c'])
})
