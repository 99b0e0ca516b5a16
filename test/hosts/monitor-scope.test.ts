/** Where systemd manages cgroups, the monitor is in a scope of its own: seen by systemd's own words and by /proc. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Container, isOciError, Runtime } from '../../src/index.ts'
import { openFacadeHost, type FacadeHost, type RuntimeName } from '../e2e/facade-host.ts'
import { until } from '../e2e/oci-host.ts'
import { cgroupOf, processesIn, property, scopesNaming } from './systemd-host.ts'

const slice = 'ocitest-pods.slice'
const sliceCgroup = '/ocitest.slice/ocitest-pods.slice'
const SIGPIPE = '13'
const sleeps = ['/bin/sleep', '1000']
const inSlice = (id: string): string => `${slice}:test:${id}`

const monitorPid = ({ bundlePath }: Container): number =>
  Number(readFileSync(join(bundlePath, 'conmon-pidfile'), 'utf8'))

const scopeOf = ({ id }: Container): string => `crio-conmon-${id}.scope`

it('this host has systemd and cgroup v2 alone', () => {
  expect(readFileSync('/proc/1/comm', 'utf8')).toBe('systemd\n')
  expect(existsSync('/sys/fs/cgroup/cgroup.controllers')).toBe(true)
})

describe.each<RuntimeName>(['crun', 'runc'])('a container on %s whose cgroups systemd manages', (handler) => {
  let host: FacadeHost
  beforeAll(async () => {
    host = await openFacadeHost(handler, { config: { cgroupManager: 'systemd' } })
  })
  afterAll(() => host.close())

  it('has its monitor in a scope of the slice that create was given', async () => {
    const container = await host.describe(sleeps)
    await host.runtime.createContainer(container, slice)
    const scope = scopeOf(container)
    expect(cgroupOf(monitorPid(container))).toBe(`${sliceCgroup}/${scope}`)
    expect(property(scope, 'Slice')).toBe(slice)
    expect(property(scope, 'ActiveState')).toBe('active')
    // conmon would hand a TERM on and leave before its container.
    expect(property(scope, 'KillSignal')).toBe(SIGPIPE)
    expect(property(scope, 'Delegate')).toBe('yes')
    expect(processesIn(`${sliceCgroup}/${scope}`)).toEqual([monitorPid(container)])
    await host.runtime.deleteContainer(container)
    expect(scopesNaming(container.id)).toEqual([])
    expect(existsSync(`/sys/fs/cgroup${sliceCgroup}/${scope}`)).toBe(false)
  })

  it('has it in system.slice when nobody names one', async () => {
    const container = await host.describe(sleeps)
    await host.runtime.createContainer(container)
    expect(cgroupOf(monitorPid(container))).toBe(`/system.slice/${scopeOf(container)}`)
    await host.runtime.deleteContainer(container)
  })

  it('is itself in a scope of the slice that its bundle names, with its limits', async () => {
    const container = await host.describe(sleeps, {
      change: (spec) => {
        if (spec.linux === undefined) return
        spec.linux.cgroupsPath = inSlice(`own${handler}`)
        spec.linux.resources = {
          ...spec.linux.resources,
          pids: { limit: 33 },
          memory: { limit: 64 * 2 ** 20 },
        }
      },
    })
    await host.runtime.createContainer(container)
    const scope = `test-own${handler}.scope`
    expect(cgroupOf(container.state.pid)).toMatch(new RegExp(`^${sliceCgroup}/${scope}(/container)?$`))
    // crun has it in a group of its own below the scope, and its limits, too.
    const limit = (file: string) =>
      readFileSync(`/sys/fs/cgroup${cgroupOf(container.state.pid)}/${file}`, 'utf8').trim()
    expect(limit('pids.max')).toBe('33')
    expect((await host.runtime.containerStats(container)).memLimit).toBe(64 * 2 ** 20)
    await host.runtime.updateContainer(container, { memory: { limit: 96 * 2 ** 20 }, cpu: { quota: 50_000 } })
    expect((await host.runtime.containerStats(container)).memLimit).toBe(96 * 2 ** 20)
    expect(limit('memory.max')).toBe(String(96 * 2 ** 20))
    expect(limit('cpu.max')).toBe('50000 100000')
    await host.runtime.deleteContainer(container)
    expect(scopesNaming(scope)).toEqual([])
  })

  it('has the monitor of a command in the same scope', async () => {
    const container = await host.describe(sleeps)
    await host.runtime.createContainer(container)
    await host.runtime.startContainer(container)
    const exec = await host.runtime.startExec(container, sleeps)
    const scope = `/system.slice/${scopeOf(container)}`
    await until('both monitors are there', () => processesIn(scope).length === 2)
    const execPid = exec.pid ?? 0
    expect(cgroupOf(execPid).startsWith(cgroupOf(container.state.pid))).toBe(true)
    await exec.kill('SIGKILL')
    await exec.exited
    await until('one is left', () => processesIn(scope).length === 1)
    await host.runtime.deleteContainer(container)
  })

  it('leaves no unit behind when its monitor is killed, and its id can be used again', async () => {
    const container = await host.describe(sleeps)
    await host.runtime.createContainer(container)
    process.kill(monitorPid(container), 'SIGKILL')
    await host.runtime.deleteContainer(container)
    expect(scopesNaming(container.id)).toEqual([])
    const again = await host.describe(sleeps, { options: { id: container.id } })
    await host.runtime.createContainer(again)
    await host.runtime.deleteContainer(again)
    expect(scopesNaming(container.id)).toEqual([])
  })

  it('is not created when its runtime refuses, and nothing is left', async () => {
    const container = await host.describe(['/nope'])
    await expect(host.runtime.createContainer(container)).rejects.toMatchObject({
      code: 'ERR_COMMAND_NOT_FOUND',
    })
    expect(scopesNaming(container.id)).toEqual([])
  })

  it('does not take the place of another supervisor’s monitor', async () => {
    const container = await host.describe(sleeps)
    await host.runtime.createContainer(container)
    const other = await openFacadeHost(handler, { config: { cgroupManager: 'systemd' } })
    const twin = await other.describe(sleeps, { options: { id: container.id } })
    await expect(other.runtime.createContainer(twin)).rejects.toMatchObject({ code: 'ERR_CONTAINER_EXISTS' })
    await other.close()
    expect(property(scopeOf(container), 'ActiveState')).toBe('active')
    expect(processesIn(cgroupOf(monitorPid(container)))).toEqual([monitorPid(container)])
    await host.runtime.deleteContainer(container)
  })

  it('goes with its scope also when another supervisor has taken it up', async () => {
    const first = await openFacadeHost(handler, { config: { cgroupManager: 'systemd' } })
    const container = await first.describe(sleeps)
    await first.runtime.createContainer(container, slice)
    await first.runtime.startContainer(container)
    await first.runtime.close()
    const second = await Runtime.open(first.config)
    const adopted = second.containers.get(container.id)
    expect(adopted?.status).toBe('running')
    if (adopted === undefined) throw new Error('it was not recovered')
    expect((await second.containerStats(adopted)).pids).toBe(1)
    await second.stopContainer(adopted, 0)
    await second.deleteContainer(adopted)
    await second.close()
    expect(scopesNaming(container.id)).toEqual([])
  })
})

it('without D-Bus a create fails at once with a typed error, and nothing is left', async () => {
  process.env['DBUS_SYSTEM_BUS_ADDRESS'] = 'unix:path=/run/no-such-bus'
  const host = await openFacadeHost('crun', { config: { cgroupManager: 'systemd' } })
  try {
    const container = await host.describe(sleeps)
    const error: unknown = await host.runtime.createContainer(container).catch((reason: unknown) => reason)
    if (!isOciError(error)) throw error
    expect(error).toMatchObject({ code: 'ERR_IO', file: '/run/no-such-bus', containerId: container.id })
    expect(existsSync(host.runtimeState(container.id))).toBe(false)
    expect(existsSync(join(container.bundlePath, 'ctl'))).toBe(false)
    expect(statSync(container.bundlePath).isDirectory()).toBe(true)
    expect(scopesNaming(container.id)).toEqual([])
  } finally {
    delete process.env['DBUS_SYSTEM_BUS_ADDRESS']
    await host.close()
  }
})
