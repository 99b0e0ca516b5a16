import { expect, it } from 'vitest'
import { Container } from '../../../src/container.ts'
import { checkShimUser } from '../../../src/impl/vm/preflight.ts'

const container = new Container({ id: 'c', bundlePath: '/b' })
const shimOfRunc = '/usr/bin/containerd-shim-runc-v2'

it('runc’s shim is not started by an ordinary user, who cannot have its socket', () => {
  expect(() => checkShimUser(container, shimOfRunc, 1000)).toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED', field: 'runtimeType', containerId: 'c' }),
  )
})

it('root starts it, and what other shims need is theirs to say', () => {
  expect(() => checkShimUser(container, shimOfRunc, 0)).not.toThrow()
  expect(() => checkShimUser(container, '/usr/bin/containerd-shim-kata-v2', 1000)).not.toThrow()
})
