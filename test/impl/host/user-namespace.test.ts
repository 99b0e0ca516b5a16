import { expect, it } from 'vitest'
import { defaultSpec } from '../../../src/bundle/default-spec.ts'
import { Container } from '../../../src/container.ts'
import { checkSystemdUser, checkUserNamespace } from '../../../src/impl/host/bundle-checks.ts'

const container = new Container({ id: 'c', bundlePath: '/b' })
const place = { paths: { configFile: '/b/config.json' } }
const spec = defaultSpec({ rootfs: '/rootfs', args: ['/bin/true'] })

it('a container of an ordinary user without a user namespace is refused, naming the field and the remedy', () => {
  expect(() => checkUserNamespace(container, place, spec, 1000)).toThrow(
    expect.objectContaining({
      code: 'ERR_BUNDLE',
      field: 'linux.namespaces',
      file: '/b/config.json',
    }),
  )
})

it('with one, or as root, it is not', () => {
  const namespaces = [...(spec.linux?.namespaces ?? []), { type: 'user' }]
  expect(() =>
    checkUserNamespace(container, place, { ...spec, linux: { ...spec.linux, namespaces } }, 1000),
  ).not.toThrow()
  expect(() => checkUserNamespace(container, place, spec, 0)).not.toThrow()
})

it('a container of an ordinary user whose cgroups systemd is to make is refused, naming the setting', () => {
  expect(() => checkSystemdUser(container, 1000)).toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED', field: 'cgroupManager', containerId: 'c' }),
  )
  expect(() => checkSystemdUser(container, 0)).not.toThrow()
})
