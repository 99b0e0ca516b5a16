import { describe, expect, it } from 'vitest'
import { defaultSpec, type DefaultSpecOptions } from '../../src/bundle/default-spec.ts'
import { hostLimitsSwap } from '../../src/bundle/swap-limit.ts'

const minimal = { rootfs: '/rootfs', args: ['/bin/true'] }

describe('defaultSpec', () => {
  it('isolates the container and gives it few rights', () => {
    const spec = defaultSpec(minimal)
    expect(spec.linux?.namespaces?.map(({ type }) => type)).toEqual(['pid', 'network', 'ipc', 'uts', 'mount'])
    expect(spec.process?.noNewPrivileges).toBe(true)
    expect(spec.process?.capabilities?.inheritable).toEqual([])
    expect(spec.process?.capabilities?.ambient).toEqual([])
    for (const dangerous of ['CAP_SYS_ADMIN', 'CAP_SYS_PTRACE', 'CAP_NET_RAW', 'CAP_MKNOD']) {
      expect(spec.process?.capabilities?.bounding).not.toContain(dangerous)
    }
    expect(spec.linux?.resources?.devices).toEqual([{ allow: false, access: 'rwm' }])
    expect(spec.linux?.maskedPaths).toContain('/proc/kcore')
    expect(spec.linux?.readonlyPaths).toContain('/proc/sys')
    expect(spec.mounts?.map(({ type }) => type)).not.toContain('cgroup')
  })

  it('takes every option', () => {
    const spec = defaultSpec({
      rootfs: '/rootfs',
      args: ['sh', '-c', ''],
      env: { A: '1=2', PATH: '/bin' },
      cwd: '/work',
      terminal: true,
      readonlyRootfs: true,
      hostname: 'box-1',
      cgroupsPath: '/group/c1',
      user: { uid: 1000, gid: 1001, additionalGids: [7] },
    })
    expect(spec).toMatchObject({
      hostname: 'box-1',
      root: { path: '/rootfs', readonly: true },
      linux: { cgroupsPath: '/group/c1' },
      process: {
        terminal: true,
        args: ['sh', '-c', ''],
        env: ['TERM=xterm', 'A=1=2', 'PATH=/bin'],
        cwd: '/work',
        user: { uid: 1000, gid: 1001, additionalGids: [7] },
      },
    })
  })

  it('adds a PATH where there is none, and takes env also as a list', () => {
    expect(defaultSpec({ ...minimal, env: ['A=b', 'B='] }).process?.env).toEqual([
      expect.stringMatching(/^PATH=.*\/bin$/),
      'A=b',
      'B=',
    ])
  })

  it('limits memory and, where the host can, swap with it', () => {
    const swap = hostLimitsSwap() ? { swap: 1000 } : {}
    expect(defaultSpec({ ...minimal, memoryLimitBytes: 1000 }).linux?.resources?.memory).toEqual({
      limit: 1000,
      ...swap,
    })
    expect(defaultSpec(minimal).linux?.resources).not.toHaveProperty('memory')
  })

  it('returns data of its own: changing one spec changes no other', () => {
    const args = ['a']
    const first = defaultSpec({ rootfs: '/r', args })
    first.process?.args.push('b')
    first.process?.capabilities?.bounding?.push('CAP_SYS_ADMIN')
    first.linux?.maskedPaths?.pop()
    expect(args).toEqual(['a'])
    expect(defaultSpec({ rootfs: '/r', args })).not.toEqual(first)
    expect(first.process?.capabilities?.effective).not.toContain('CAP_SYS_ADMIN')
    expect(defaultSpec({ rootfs: '/r', args }).linux?.maskedPaths).toContain('/sys/devices/virtual/powercap')
  })

  const wrong: [string, Partial<DefaultSpecOptions>][] = [
    ['rootfs', { rootfs: 'rootfs' }],
    ['rootfs', { rootfs: '/a\0b' }],
    ['args', { args: [] }],
    ['args.0', { args: [''] }],
    ['args.1', { args: ['a', 'b\0'] }],
    ['env', { env: ['A'] }],
    ['env', { env: ['=b'] }],
    ['env', { env: { '': 'b' } }],
    ['env', { env: { 'A=B': 'c' } }],
    ['env', { env: { A: '\0' } }],
    ['cwd', { cwd: 'work' }],
    ['cwd', { cwd: '/proc/self/fd/7' }],
    ['memoryLimitBytes', { memoryLimitBytes: 0 }],
    ['memoryLimitBytes', { memoryLimitBytes: -1 }],
    ['memoryLimitBytes', { memoryLimitBytes: 1.5 }],
    ['memoryLimitBytes', { memoryLimitBytes: Number.NaN }],
    ['hostname', { hostname: '' }],
    ['hostname', { hostname: 'a\nb' }],
    ['cgroupsPath', { cgroupsPath: '' }],
    ['cgroupsPath', { cgroupsPath: 'relative' }],
    ['cgroupsPath', { cgroupsPath: '/a/../b' }],
    ['user.uid', { user: { uid: -1, gid: 0 } }],
    ['user.gid', { user: { uid: 0, gid: 4_294_967_295 } }],
    ['user.additionalGids', { user: { uid: 0, gid: 0, additionalGids: [0.5] } }],
  ]

  it.each(wrong)('refuses a malformed %s (%j)', (field, changes) => {
    expect(() => defaultSpec({ ...minimal, ...changes })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }),
    )
  })

  it('takes the systemd manager’s form of a cgroup path', () => {
    expect(defaultSpec({ ...minimal, cgroupsPath: 'system.slice:oci:c1' }).linux?.cgroupsPath).toBe(
      'system.slice:oci:c1',
    )
  })
})
