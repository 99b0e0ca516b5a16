/** Where systemd manages cgroups, a shim is in a scope of its own: seen by systemd's own words and by /proc. */
import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Runtime } from '../../src/index.ts'
import { openFacadeHost, runtimePrograms, type FacadeHost, type RuntimeName } from '../e2e/facade-host.ts'
import { until } from '../e2e/oci-host.ts'
import { shimOf } from '../e2e/vm-host.ts'
import { cgroupOf, processesIn, property, scopesNaming } from './systemd-host.ts'

const slice = 'ocitest-pods.slice'
const sliceCgroup = '/ocitest.slice/ocitest-pods.slice'
const SIGPIPE = '13'
const sleeps = ['/bin/sleep', '1000']
const shimPath = '/usr/bin/containerd-shim-runc-v2'

const scopeOf = (cgroup: string): string => cgroup.split('/').at(-1) ?? ''
const isForgotten = (id: string) => until('systemd has no scope of it', () => scopesNaming(id).length === 0)
const inPod = (spec: { annotations?: Record<string, string> }): void => {
  spec.annotations = { 'io.containerd.runc.v2.group': 'ocitest-pod' }
}

describe.each<RuntimeName>(['runc', 'crun'])('a shim of %s whose cgroups systemd manages', (below) => {
  const open = (): Promise<FacadeHost> =>
    openFacadeHost(below, {
      config: {
        cgroupManager: 'systemd',
        defaultRuntime: 'shim',
        runtimes: {
          shim: { runtimeType: 'vm', runtimePath: shimPath, ociRuntimePath: runtimePrograms[below] },
        },
      },
    })
  let host: FacadeHost
  beforeAll(async () => {
    host = await open()
  })
  afterAll(() => host.close())

  it('is in a scope of the slice that create was given, and its container in one that the bundle names', async () => {
    const container = await host.describe(sleeps)
    await host.runtime.createContainer(container, slice)
    const { pid } = shimOf(container)
    const scope = `containerd-shim-${container.id}-${pid}.scope`
    expect(cgroupOf(pid)).toBe(`${sliceCgroup}/${scope}`)
    expect(property(scope, 'Slice')).toBe(slice)
    expect(property(scope, 'ActiveState')).toBe('active')
    // A TERM would end it and leave its container alone.
    expect(property(scope, 'KillSignal')).toBe(SIGPIPE)
    expect(processesIn(`${sliceCgroup}/${scope}`)).toEqual([pid])
    expect(cgroupOf(container.state.pid)).toMatch(
      new RegExp(`^/system.slice/test-${container.id}.scope(/container)?$`),
    )
    await host.runtime.deleteContainer(container)
    await isForgotten(container.id)
  })

  it('gives its container limits and counts what it uses', async () => {
    const container = await host.start(sleeps, { memoryLimitBytes: 64 * 2 ** 20 })
    expect((await host.runtime.containerStats(container)).memLimit).toBe(64 * 2 ** 20)
    await host.runtime.updateContainer(container, { memory: { limit: 96 * 2 ** 20 }, cpu: { quota: 50_000 } })
    const { memLimit, pids } = await host.runtime.containerStats(container)
    expect([memLimit, pids]).toEqual([96 * 2 ** 20, 1])
    const cpuMax = readFileSync(`/sys/fs/cgroup${cgroupOf(container.state.pid)}/cpu.max`, 'utf8')
    expect(cpuMax).toBe('50000 100000\n')
    await host.runtime.deleteContainer(container)
    await isForgotten(container.id)
  })

  it('leaves no unit behind when it is killed, and its id can be used again', async () => {
    const container = await host.start(sleeps)
    process.kill(shimOf(container).pid, 'SIGKILL')
    await host.runtime.deleteContainer(container)
    await isForgotten(container.id)
    const again = await host.describe(sleeps, { options: { id: container.id } })
    await host.runtime.createContainer(again)
    expect(scopesNaming(`containerd-shim-${container.id}`)).toHaveLength(1)
    await host.runtime.deleteContainer(again)
    await isForgotten(container.id)
  })

  it('is not left when its runtime refuses the container', async () => {
    const container = await host.describe(['/nope'])
    await expect(host.runtime.createContainer(container)).rejects.toMatchObject({
      code: 'ERR_COMMAND_NOT_FOUND',
    })
    await isForgotten(container.id)
  })

  it('serves a pod from one scope, and an id of the pod can be used outside of it meanwhile', async () => {
    const first = await host.start(sleeps, { change: inPod })
    const second = await host.start(sleeps, { change: inPod })
    const { pid } = shimOf(first)
    expect(shimOf(second).pid).toBe(pid)
    const scope = cgroupOf(pid)
    expect(scopeOf(scope)).toBe(`containerd-shim-${first.id}-${pid}.scope`)
    expect(processesIn(scope)).toEqual([pid])
    await host.runtime.deleteContainer(first)
    expect(cgroupOf(pid)).toBe(scope)
    const outside = await host.start(sleeps, { options: { id: first.id } })
    expect(cgroupOf(shimOf(outside).pid)).not.toBe(scope)
    for (const container of [outside, second]) await host.runtime.deleteContainer(container)
    await isForgotten(first.id)
  })

  it('goes with its scope also when another supervisor has taken it up', async () => {
    const first = await open()
    const container = await first.describe(sleeps)
    await first.runtime.createContainer(container, slice)
    await first.runtime.startContainer(container)
    const scope = cgroupOf(shimOf(container).pid)
    await first.runtime.close()
    const next = await Runtime.open(first.config)
    const adopted = next.containers.get(container.id)
    if (adopted === undefined) throw new Error('it was not recovered')
    expect(adopted.status).toBe('running')
    expect((await next.containerStats(adopted)).pids).toBe(1)
    await next.stopContainer(adopted, 0)
    await next.deleteContainer(adopted)
    await next.close()
    await isForgotten(container.id)
    expect(existsSync(`/sys/fs/cgroup${scope}`)).toBe(false)
  })
})
