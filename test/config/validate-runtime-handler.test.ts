import { describe, expect, it } from 'vitest'
import { defineConfig, validateRuntimeHandler } from '../../src/config/index.ts'

const config = defineConfig({
  runtimes: {
    runc: {},
    crun: { runtimePath: '/usr/bin/crun' },
    sim: { runtimeType: 'sim' },
  },
})

describe('validateRuntimeHandler', () => {
  it('returns a configured handler that has a path', () => {
    expect(validateRuntimeHandler(config, 'crun')).toBe(config.runtimes['crun'])
  })

  it('asks no path of a type that an embedder registers', () => {
    expect(validateRuntimeHandler(config, 'sim').runtimeType).toBe('sim')
  })

  it.each(['kata', '', 'constructor', '__proto__'])('refuses %j with the names that are known', (name) => {
    const expected = { code: 'ERR_UNKNOWN_HANDLER', field: 'runtimeHandler' }
    expect(() => validateRuntimeHandler(config, name)).toThrow(expect.objectContaining(expected))
    const copy = { runtimes: { ...config.runtimes } }
    expect(() => validateRuntimeHandler(copy, name)).toThrow(expect.objectContaining(expected))
    expect(() => validateRuntimeHandler(config, name)).toThrow('configured handlers: crun, runc, sim')
  })

  it('refuses a handler without a path', () => {
    const expected = { code: 'ERR_CONFIG', field: 'crio.runtime.runtimes.runc.runtime_path' }
    expect(() => validateRuntimeHandler(config, 'runc')).toThrow(expect.objectContaining(expected))
  })
})
