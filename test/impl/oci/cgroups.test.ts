import { describe, expect, it } from 'vitest'
import {
  cgroupDirectories,
  cgroupDirectory,
  controllerDirectory,
  parseCgroupMounts,
  parseCgroupPaths,
  readCgroupPaths,
} from '../../../src/impl/host/cgroups.ts'
import { monitorCgroupDirectories, monitorCgroupPath } from '../../../src/impl/oci/monitor-cgroup.ts'

const hybrid = parseCgroupMounts(
  [
    '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct',
    '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
    '40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd',
    '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate',
    '99 31 0:32 / /mnt/again rw,relatime - cgroup cgroup rw,memory',
    '',
  ].join('\n'),
)
const pure = parseCgroupMounts(
  '30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n',
)

describe('cgroup mounts', () => {
  it('are each hierarchy once, with its controllers and without its options', () => {
    expect(hybrid.map(({ mountPoint, controllers }) => [mountPoint, ...controllers])).toEqual([
      ['/sys/fs/cgroup/cpu,cpuacct', 'cpu', 'cpuacct'],
      ['/sys/fs/cgroup/memory', 'memory'],
      ['/sys/fs/cgroup/systemd', 'name=systemd'],
      ['/sys/fs/cgroup/unified', ''],
    ])
  })

  it('may have blanks in their path', () => {
    const [mount] = parseCgroupMounts('1 2 0:3 / /a\\040b rw - cgroup2 none rw')
    expect(mount?.mountPoint).toBe('/a b')
  })

  it('that begin below the root have paths relative to where they begin', () => {
    const mount = { mountPoint: '/cg', root: '/docker/abc', controllers: ['memory'] }
    expect(cgroupDirectory(mount, '/docker/abc/x')).toBe('/cg/x')
    expect(cgroupDirectory(mount, '/docker/abcd/x')).toBe('/cg/docker/abcd/x')
  })
})

describe('cgroup paths of a process', () => {
  it('are known by controller', () => {
    expect(parseCgroupPaths('9:name=systemd:/s\n3:cpu,cpuacct:/a:b\n0::/u\n')).toEqual({
      'name=systemd': '/s',
      cpu: '/a:b',
      cpuacct: '/a:b',
      '': '/u',
    })
  })

  it('are none when the process is gone', async () => {
    expect(await readCgroupPaths(2 ** 22 + 7)).toEqual({})
  })

  it('lead to the directory of a controller, on v1 where it has it and on v2 otherwise', () => {
    const paths = { memory: '/m', '': '/u' }
    expect(controllerDirectory(hybrid, paths, 'memory')).toEqual({
      directory: '/sys/fs/cgroup/memory/m',
      version: 1,
    })
    expect(controllerDirectory(pure, { '': '/u' }, 'memory')).toEqual({
      directory: '/sys/fs/cgroup/u',
      version: 2,
    })
    expect(controllerDirectory(hybrid, { '': '/u' }, 'memory')).toBeUndefined()
    expect(controllerDirectory([], paths, 'memory')).toBeUndefined()
  })

  it('never lead to a root', () => {
    expect(cgroupDirectories(hybrid, { memory: '/', '': '/u' })).toEqual(['/sys/fs/cgroup/unified/u'])
  })
})

describe('the cgroup of a monitor', () => {
  it.each([
    [undefined, '/crio-conmon-c1'],
    ['', '/crio-conmon-c1'],
    ['/', '/crio-conmon-c1'],
    ['kubepods/pod1', '/kubepods/pod1/crio-conmon-c1'],
    ['/kubepods//pod1/', '/kubepods/pod1/crio-conmon-c1'],
  ])('below %j is %s', (parent, path) => {
    expect(monitorCgroupPath(parent, 'c1')).toBe(path)
  })

  it.each(['/a/../b', '..', './a', 'a\nb', 'a\0b'])('is refused below %j', (parent) => {
    expect(() => monitorCgroupPath(parent, 'c1')).toThrow(expect.objectContaining({ field: 'cgroupParent' }))
  })

  it('is in every hierarchy', () => {
    expect(monitorCgroupDirectories(hybrid, '/x')).toHaveLength(4)
    expect(monitorCgroupDirectories(pure, '/x')).toEqual(['/sys/fs/cgroup/x'])
  })
})
