import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { defineConfig, parseConfig, type Config, type ConfigInput } from '../../src/config/index.ts'
import { configErrorOf } from './expect-config-error.ts'

const minimal: ConfigInput = { runtimes: { crun: { runtimePath: '/usr/bin/crun' } } }

/** For input that the types forbid, as it comes from JavaScript. */
function defineUntyped(input: unknown): Config {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the point of these tests
  return defineConfig(input as ConfigInput)
}

const nameOf = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/)
const pathOf = fc.stringMatching(/^(?:\/[a-z][a-z0-9]{0,7}(?:\/\.|\/)?){1,4}$/)
const unset = fc.constantFrom('', undefined)
const environment = fc.array(fc.stringMatching(/^[A-Z]{1,5}=[a-z=]{0,5}$/), { maxLength: 3 })

const handlerOf = (
  runtimeType: fc.Arbitrary<string>,
  runtimeConfigPath: fc.Arbitrary<string | undefined>,
  runtimePath: fc.Arbitrary<string | undefined> = fc.oneof(pathOf, unset),
) =>
  fc.record(
    {
      runtimePath,
      runtimeType,
      runtimeRoot: fc.oneof(pathOf, unset),
      runtimeConfigPath,
      containerCreateTimeoutMs: fc.integer({ min: 0, max: 2_147_483_647 }),
      monitorPath: fc.oneof(pathOf, unset),
      monitorCgroup: fc.constantFrom('', 'pod', undefined),
      monitorEnv: environment,
      inheritDefaultRuntime: fc.boolean(),
    },
    { requiredKeys: ['runtimeType'] },
  )
const handlerInput = fc.oneof(
  handlerOf(fc.constantFrom('oci', ''), unset),
  handlerOf(fc.constant('sim'), fc.oneof(pathOf, unset)),
  handlerOf(
    fc.constant('vm'),
    fc.oneof(pathOf, unset),
    fc.constantFrom('/opt/containerd-shim-kata-v2', '', undefined),
  ),
)

const configInput: fc.Arbitrary<ConfigInput> = fc
  .record({
    defaultRuntime: nameOf,
    defaultHandler: handlerInput,
    runtimes: fc.dictionary(nameOf, handlerInput, { maxKeys: 4 }),
    rest: fc.record(
      {
        conmon: fc.oneof(pathOf, unset),
        conmonCgroup: fc.constantFrom('', 'pod', undefined),
        conmonEnv: environment,
        cgroupManager: fc.constantFrom('cgroupfs' as const, 'systemd' as const),
        logSizeMaxBytes: fc.oneof(fc.integer({ min: -100, max: -1 }), fc.integer({ min: 8192 })),
        logToJournald: fc.boolean(),
        noPivot: fc.boolean(),
        ctrStopTimeoutSeconds: fc.integer({ min: 0, max: 2_147_483 }),
        runDir: pathOf.map((path) => `/run${path}`),
        stateDir: pathOf.map((path) => `/state${path}`),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ defaultRuntime, defaultHandler, runtimes, rest }) => ({
    ...rest,
    defaultRuntime,
    runtimes: {
      ...runtimes,
      [defaultRuntime]: { ...defaultHandler, runtimePath: '/bin/containerd-shim-default' },
    },
  }))
  .filter((input) => !input.runDir?.startsWith('/run/crio'))

describe('defineConfig', () => {
  it('gives from JavaScript what parseConfig gives from TOML', () => {
    expect(defineConfig(minimal)).toEqual(
      parseConfig('[crio.runtime.runtimes.crun]\nruntime_path = "/usr/bin/crun"'),
    )
  })

  it('takes a Config as input and returns an equal one', () => {
    expectTypeOf<Config>().toExtend<ConfigInput>()
    const loaded = parseConfig(readFileSync(new URL('fixtures/crio.conf', import.meta.url), 'utf8'))
    expect(defineConfig(loaded)).toEqual(loaded)
  })

  it('is idempotent for every valid input', () => {
    fc.assert(
      fc.property(configInput, (input) => {
        const once = defineConfig(input)
        const twice = defineConfig(once)
        expect({ ...twice, warnings: [] }).toEqual({ ...once, warnings: [] })
        expect(twice.warnings).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  it('changes one value of a configuration that was spread', () => {
    const config = defineConfig(minimal)
    expect(defineConfig({ ...config, noPivot: true })).toEqual({ ...config, noPivot: true })
  })

  it('does not change its input and does not hold on to it', () => {
    const conmonEnv = ['A=1']
    const config = defineConfig({ ...minimal, conmonEnv })
    conmonEnv.push('B=2')
    expect(config.conmonEnv).toEqual(['A=1'])
    expect(config.runtimes['crun']?.monitorEnv).toEqual(['A=1'])
  })

  it('warns of unknown keys with the nearest known one', () => {
    const crun = { runtimePath: '/x', monitorpath: '/y' }
    const { warnings } = defineUntyped({ runtimes: { crun }, nopivot: true, colour: 'red' })
    expect(warnings.map(({ key, nearest }) => [key, nearest])).toEqual([
      ['nopivot', 'noPivot'],
      ['colour', undefined],
      ['runtimes.crun.monitorpath', 'runtimes.crun.monitorPath'],
    ])
  })

  it.each([
    [undefined, ''],
    ['crun', ''],
    [{}, 'runtimes'],
    [{ runtimes: [] }, 'runtimes'],
    [{ runtimes: { crun: null } }, 'runtimes.crun'],
    [{ runtimes: {} }, 'defaultRuntime'],
    [{ runtimes: { crun: {} } }, 'runtimes.crun.runtimePath'],
    [{ ...minimal, conmon: null }, 'conmon'],
    [{ ...minimal, logSizeMaxBytes: 5n }, 'logSizeMaxBytes'],
    [{ ...minimal, ctrStopTimeoutSeconds: Number.NaN }, 'ctrStopTimeoutSeconds'],
    [{ ...minimal, runDir: '/run/crio' }, 'runDir'],
    [{ ...minimal, conmonEnv: ['A=1', Symbol('x')] }, 'conmonEnv[1]'],
    [
      { runtimes: { crun: { runtimePath: '/x', containerCreateTimeoutMs: 2 ** 31 } } },
      'runtimes.crun.containerCreateTimeoutMs',
    ],
  ])('refuses %o and names the key as JavaScript spells it', (input, field) => {
    const error = configErrorOf(() => defineUntyped(input))
    expect(error.field).toBe(field)
    expect(error.message).toContain(' must ')
  })
})
