/** Where systemd manages cgroups a shim is put into a scope of its own, seen from the bus and from the shim. */
import { readdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { defaultSpec } from '../../../../src/bundle/bundle.ts'
import { openFakeSystemd } from '../../systemd/fake-systemd.ts'
import { createEffect, effect, openFakeShim, type FakeShim } from '../fake-shim.ts'

const start = 'StartTransientUnit'

/** A shim beside a systemd that answers a scope with `result`: the result of its job, or its refusal. */
async function openShim(result: string) {
  const host: { shim?: FakeShim } = {}
  /** What the shim had been asked for when the scope was. */
  let askedBefore: readonly string[] = []
  const { calls, address } = await openFakeSystemd({
    answer: (call, peer) => {
      if (call.member === 'GetUnit') {
        peer.refuse(call, 'org.freedesktop.systemd1.NoSuchUnit', 'not there')
        return true
      }
      if (call.member !== start) return false
      askedBefore = [...(host.shim?.calls ?? [])]
      if (result === 'refused') peer.refuse(call, 'org.freedesktop.DBus.Error.AccessDenied', 'not for you')
      else {
        peer.reply(call, 'o', ['/job/1'])
        peer.jobRemoved('/job/1', result)
      }
      return true
    },
  })
  const shim = await openSystemdShim(address)
  host.shim = shim
  return {
    ...shim,
    scopes: () => calls.filter(({ member }) => member === start),
    askedBefore: () => askedBefore,
  }
}

function openSystemdShim(DBUS_SYSTEM_BUS_ADDRESS: string): Promise<FakeShim> {
  const environment = { PATH: process.env['PATH'] ?? '', DBUS_SYSTEM_BUS_ADDRESS }
  return openFakeShim({}, { config: { cgroupManager: 'systemd' }, environment })
}

const openWithoutBus = () => openSystemdShim('unix:path=/nowhere/bus')

describe('a shim whose cgroups systemd manages', () => {
  it.each([
    ['that create was given', 'machine.slice', 'machine.slice'],
    ['of the system when nobody names one', undefined, 'system.slice'],
  ])('is in a scope of the slice %s before it is asked for a container', async (_, cgroupParent, slice) => {
    const host = await openShim('done')
    const web = await host.container()
    await host.impl.create(web, { ...createEffect, cgroupParent })
    expect(host.scopes()).toHaveLength(1)
    const [name, mode, properties] = host.scopes()[0]?.body ?? []
    expect([name, mode]).toEqual([`containerd-shim-${web.id}-${host.shim.pid}.scope`, 'fail'])
    expect(properties).toContainEqual(['Slice', { signature: 's', value: slice }])
    expect(properties).toContainEqual(['PIDs', { signature: 'au', value: [host.shim.pid] }])
    expect(host.askedBefore()).toContain('Connect')
    expect(host.askedBefore()).not.toContain('Create')
  })

  it.each([
    ['refused', /not for you/],
    ['failed', /ended with the result failed/],
  ])('is asked for no container when systemd answers %s, and nothing is left', async (result, message) => {
    const host = await openShim(result)
    const web = await host.container()
    const attempt = host.impl.create(web, createEffect)
    await expect(attempt).rejects.toThrow(message)
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_MONITOR_FAILED', containerId: web.id })
    await host.impl.cleanUp(web, effect)
    expect(host.calls).not.toContain('Create')
    expect(host.calls).toContain('Shutdown')
    expect(readdirSync(web.bundlePath)).toEqual(['config.json'])
  })

  it('is not started without D-Bus', async () => {
    const host = await openWithoutBus()
    const web = await host.container()
    await expect(host.impl.create(web, createEffect)).rejects.toMatchObject({
      code: 'ERR_IO',
      file: '/nowhere/bus',
    })
    expect(host.calls).toEqual([])
    expect(readdirSync(web.bundlePath)).toEqual(['config.json'])
  })

  it('is not started in what is no slice', async () => {
    const host = await openWithoutBus()
    const attempt = host.impl.create(await host.container(), { ...createEffect, cgroupParent: '/machine' })
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'cgroupParent' })
  })

  it('is not started for a cgroupsPath that systemd does not take', async () => {
    const host = await openWithoutBus()
    const web = await host.container()
    const spec = defaultSpec({ rootfs: '/', args: ['/bin/true'], cgroupsPath: '/c1' })
    writeFileSync(`${web.bundlePath}/config.json`, JSON.stringify(spec))
    const attempt = host.impl.create(web, createEffect)
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_BUNDLE', field: 'linux.cgroupsPath' })
  })
})
