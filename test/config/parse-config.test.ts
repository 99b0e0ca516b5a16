import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/index.ts'
import { configErrorOf } from './expect-config-error.ts'

const crun = '[crio.runtime.runtimes.crun]\nruntime_path = "/usr/bin/crun"\n'
const fixture = readFileSync(new URL('fixtures/crio.conf', import.meta.url), 'utf8')

/** A minimal valid document with `lines` in `[crio.runtime]`, in the handler crun, or in our own table. */
function documentWith(lines: { runtime?: string; handler?: string; own?: string; more?: string }): string {
  return [
    '[crio.runtime]',
    lines.runtime ?? '',
    `${crun}${lines.handler ?? ''}`,
    '[oci-supervisor]',
    lines.own ?? '',
    lines.more ?? '',
  ].join('\n')
}

describe('a valid configuration', () => {
  it('has every default filled in when only the default handler is given', () => {
    expect(parseConfig(crun)).toEqual({
      defaultRuntime: 'crun',
      runtimes: {
        crun: {
          runtimePath: '/usr/bin/crun',
          runtimeType: 'oci',
          runtimeRoot: '/run/oci-supervisor/runtimes/crun',
          runtimeConfigPath: undefined,
          ociRuntimePath: undefined,
          containerCreateTimeoutMs: 240_000,
          monitorPath: undefined,
          monitorCgroup: undefined,
          monitorEnv: [],
          allowedAnnotations: [],
        },
      },
      conmon: undefined,
      conmonCgroup: undefined,
      conmonEnv: [],
      cgroupManager: 'cgroupfs',
      containerExitsDir: '/run/oci-supervisor/exits',
      containerAttachSocketDir: '/run/oci-supervisor/attach',
      logSizeMaxBytes: -1,
      logToJournald: false,
      noPivot: false,
      ctrStopTimeoutSeconds: 30,
      durability: 'fsync',
      acknowledgedAdvisories: [],
      stateDir: '/var/lib/oci-supervisor',
      runDir: '/run/oci-supervisor',
      warnings: [],
    })
  })

  it('is read from a complete crio.conf without a warning', () => {
    const config = parseConfig(fixture, 'crio.conf')
    expect(config.warnings).toEqual([])
    expect(config).toMatchObject({
      defaultRuntime: 'crun',
      cgroupManager: 'systemd',
      containerExitsDir: '/run/edge/exits',
      containerAttachSocketDir: '/run/edge/attach',
      logSizeMaxBytes: 52_428_800,
      logToJournald: true,
      ctrStopTimeoutSeconds: 45,
      stateDir: '/var/lib/edge',
      runDir: '/run/edge',
    })
    expect(config.runtimes['crun']).toEqual({
      runtimePath: '/usr/libexec/crio/crun',
      runtimeType: 'oci',
      runtimeRoot: '/run/crun',
      runtimeConfigPath: undefined,
      ociRuntimePath: undefined,
      containerCreateTimeoutMs: 240_000,
      monitorPath: '/usr/libexec/crio/conmon',
      monitorCgroup: 'system.slice',
      monitorEnv: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      allowedAnnotations: ['io.containers.trace-syscall'],
    })
    expect(config.runtimes['kata']).toMatchObject({
      runtimeType: 'vm',
      runtimeConfigPath: '/opt/kata/share/defaults/kata-containers/configuration.toml',
      ociRuntimePath: undefined,
      containerCreateTimeoutMs: 600_000,
    })
  })

  it('leaves the path of a handler other than the default open and derives its root from run_dir', () => {
    expect(parseConfig(fixture).runtimes['runc']).toMatchObject({
      runtimePath: undefined,
      runtimeRoot: '/run/edge/runtimes/runc',
    })
  })

  it('gives an inheriting handler the path, type and root of the default handler', () => {
    expect(parseConfig(fixture).runtimes['nested']).toMatchObject({
      runtimePath: '/usr/libexec/crio/crun',
      runtimeType: 'oci',
      runtimeRoot: '/run/crun',
      monitorPath: undefined,
    })
    const derived = parseConfig(`${crun}[crio.runtime.runtimes.other]\ninherit_default_runtime = true`)
    expect(derived.runtimes['other']?.runtimeRoot).toBe('/run/oci-supervisor/runtimes/crun')
  })

  it('derives the exits and attach directories from run_dir', () => {
    const config = parseConfig(documentWith({ own: 'run_dir = "/run//mine/./"' }))
    expect(config.runDir).toBe('/run/mine')
    expect(config.containerExitsDir).toBe('/run/mine/exits')
    expect(config.containerAttachSocketDir).toBe('/run/mine/attach')
  })

  it('takes an empty string as not set', () => {
    const empty = ['default_runtime', 'conmon', 'conmon_cgroup', 'container_exits_dir']
    const runtime = empty.map((key) => `${key} = ""`).join('\n')
    const config = parseConfig(documentWith({ runtime, handler: 'runtime_type = ""\nruntime_root = ""' }))
    expect(config).toEqual(parseConfig(crun))
  })

  it('needs no path for a default handler whose type is registered by the embedder', () => {
    const text = '[crio.runtime]\ndefault_runtime = "sim"\n[crio.runtime.runtimes.sim]\nruntime_type = "sim"'
    expect(parseConfig(text).runtimes['sim']).toMatchObject({ runtimeType: 'sim', runtimePath: undefined })
  })

  it('takes every negative log_size_max as no limit', () => {
    expect(parseConfig(documentWith({ runtime: 'log_size_max = -77' })).logSizeMaxBytes).toBe(-1)
    expect(parseConfig(documentWith({ runtime: 'log_size_max = 8192' })).logSizeMaxBytes).toBe(8192)
  })

  it('is frozen at every level', () => {
    const config = parseConfig(documentWith({ runtime: 'conmon_env = ["A=1"]\nfoo = 1' }))
    const parts = [config, config.runtimes, config.runtimes['crun'], config.runtimes['crun']?.monitorEnv]
    for (const part of [...parts, config.conmonEnv, config.warnings, config.warnings[0]]) {
      expect(part).toBeDefined()
      expect(Object.isFrozen(part)).toBe(true)
    }
  })

  it('finds no handler by the name of an inherited property', () => {
    expect(parseConfig(crun).runtimes['constructor']).toBeUndefined()
    const text = `${crun}[crio.runtime.runtimes.constructor]\nruntime_path = "/bin/c"`
    expect(parseConfig(text).runtimes['constructor']?.runtimePath).toBe('/bin/c')
  })

  it('survives a handler called __proto__ without polluting anything', () => {
    const config = parseConfig(`${crun}[crio.runtime.runtimes.__proto__]\nruntime_path = "/bin/evil"`)
    expect(Object.keys(config.runtimes)).toEqual(['crun'])
    expect(Reflect.get({}, 'runtime_path')).toBeUndefined()
  })
})

describe('the monitor settings of a handler', () => {
  it('are replaced by the global conmon settings, with a warning, as in CRI-O', () => {
    const config = parseConfig(
      documentWith({
        runtime: 'conmon = "/g/conmon"\nconmon_env = ["G=1"]\nconmon_cgroup = "pod"',
        handler: 'monitor_path = "/h/conmon"\nmonitor_env = ["H=1"]\nmonitor_cgroup = ""',
      }),
    )
    const expected = { monitorPath: '/g/conmon', monitorEnv: ['G=1'], monitorCgroup: 'pod' }
    expect(config.runtimes['crun']).toMatchObject(expected)
    expect(config.warnings.map((warning) => warning.key)).toEqual([
      'crio.runtime.runtimes.crun.monitor_path',
      'crio.runtime.runtimes.crun.monitor_env',
    ])
  })

  it('put conmon into system.slice by default only when systemd manages cgroups', () => {
    const systemd = parseConfig(documentWith({ runtime: 'cgroup_manager = "systemd"' }))
    expect(systemd.runtimes['crun']?.monitorCgroup).toBe('system.slice')
    const cgroupfs = parseConfig(documentWith({ handler: 'monitor_cgroup = "system.slice"' }))
    expect(cgroupfs.runtimes['crun']?.monitorCgroup).toBeUndefined()
  })
})

describe('a value below its minimum', () => {
  it('is raised with a warning', () => {
    const config = parseConfig(
      documentWith({ runtime: 'ctr_stop_timeout = 10', handler: 'container_create_timeout = 29' }),
    )
    expect(config.ctrStopTimeoutSeconds).toBe(30)
    expect(config.runtimes['crun']?.containerCreateTimeoutMs).toBe(30_000)
    expect(config.warnings).toHaveLength(2)
    expect(config.warnings.map((warning) => warning.message).join('\n')).toMatch(
      /container_create_timeout is below.* 30 seconds\n.*ctr_stop_timeout is below.* 30 seconds/,
    )
  })

  it('is the default when a create timeout is zero', () => {
    const config = parseConfig(documentWith({ handler: 'container_create_timeout = 0' }))
    expect(config.runtimes['crun']?.containerCreateTimeoutMs).toBe(240_000)
    expect(config.warnings).toEqual([])
  })
})

describe('an unknown key', () => {
  const unknown: [string, string, string | undefined][] = [
    [documentWith({ runtime: 'ctr_stop_timout = 30' }), 'ctr_stop_timout', 'crio.runtime.ctr_stop_timeout'],
    [documentWith({ runtime: 'defaultRuntime = "x"' }), 'defaultRuntime', 'crio.runtime.default_runtime'],
    [documentWith({ runtime: 'hook_dirs = []' }), 'hook_dirs', 'crio.runtime.hooks_dir'],
    [documentWith({ runtime: 'colour = "red"' }), 'colour', undefined],
    [
      documentWith({ handler: 'runtime_pth = "/x"' }),
      'runtimes.crun.runtime_pth',
      'crio.runtime.runtimes.crun.runtime_path',
    ],
    [documentWith({ own: 'statedir = "/x"' }), 'statedir', 'oci-supervisor.state_dir'],
    [`${crun}[oci_supervisor]\nrun_dir = "/x"`, 'oci_supervisor', 'oci-supervisor'],
    [`${crun}[crio.runtimes.runc]\nruntime_path = "/x"`, 'crio.runtimes', 'crio.runtime'],
  ]
  it.each(unknown)('of %j is a warning that names the nearest known one', (text, key, nearest) => {
    const { warnings } = parseConfig(text)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]?.key.endsWith(key)).toBe(true)
    expect(warnings[0]?.nearest).toBe(nearest)
    expect(warnings[0]?.message).toContain(nearest === undefined ? 'is ignored' : `did you mean ${nearest}?`)
  })

  it('in a table that is not ours is left alone', () => {
    expect(parseConfig(`${crun}[crio.image]\nfoo = 1\n[something.else]\nbar = 2`).warnings).toEqual([])
  })

  it('is not listed endlessly', () => {
    const runtime = Array.from({ length: 2000 }, (_, n) => `zzzzzzzzzzzzzzzz${n} = 1`).join('\n')
    expect(parseConfig(documentWith({ runtime })).warnings).toHaveLength(50)
    const handlers = Array.from({ length: 80 }, (_, n) => `[crio.runtime.runtimes.h${n}]\nzzzzzzzz = 1\n`)
    const { warnings } = parseConfig(crun + handlers.join(''))
    expect(warnings).toHaveLength(50)
    expect(warnings.at(-1)?.message).toBe('31 more warnings are not shown')
  })

  it('is mentioned by the error that it leads to', () => {
    const text = '[crio.runtime.runtimes.crun]\nruntime_pth = "/usr/bin/crun"'
    const error = configErrorOf(() => parseConfig(text))
    expect(error.field).toBe('crio.runtime.runtimes.crun.runtime_path')
    expect(error.message).toContain('did you mean crio.runtime.runtimes.crun.runtime_path?')
  })
})

describe('a bad configuration is ERR_CONFIG naming file, key and what would be right', () => {
  const runtime = 'crio.runtime'
  const handler = 'crio.runtime.runtimes.crun'
  const shim = 'crio.runtime.runtimes.shim'
  const twoMonths = 5_184_000
  const bad: [string, string, RegExp][] = [
    ['', `${runtime}.default_runtime`, /must name .*no crio\.runtime\.runtimes\.crun; .*: none/],
    [
      `${crun}[crio.runtime]\ndefault_runtime = "runc"`,
      `${runtime}.default_runtime`,
      /runtimes\.runc; configured handlers: crun/,
    ],
    [
      '[crio.runtime.runtimes.crun]',
      `${handler}.runtime_path`,
      /must be the absolute path of the default runtime/,
    ],
    ['[crio.runtime.runtimes.crun]\nruntime_type = "vm"', `${handler}.runtime_path`, /absolute path/],
    ['[crio.runtime.runtimes.crun]\nruntime_path = "crun"', `${handler}.runtime_path`, /absolute.*"crun"/],
    ['crio = 1', 'crio', /must be a table; it is 1$/],
    ['[crio]\nruntime = "x"', 'crio.runtime', /must be a table; it is "x"$/],
    ['oci-supervisor = []', 'oci-supervisor', /must be a table; it is a list$/],
    ['[crio.runtime]\nruntimes = ["crun"]', `${runtime}.runtimes`, /must be a table of tables/],
    ['[crio.runtime.runtimes]\ncrun = "/bin/crun"', handler, /must be a table/],
    [`${crun}[crio.runtime.runtimes."a/b"]`, `${runtime}.runtimes."a/b"`, /1 to 63 letters/],
    [`${crun}[crio.runtime.runtimes.".."]`, `${runtime}.runtimes.".."`, /beginning with a letter/],
    [documentWith({ runtime: 'default_runtime = 7' }), `${runtime}.default_runtime`, /letters.*it is 7/],
    [documentWith({ runtime: 'conmon = "bin/conmon"' }), `${runtime}.conmon`, /or empty to look it up/],
    [documentWith({ runtime: 'conmon_env = "A=1"' }), `${runtime}.conmon_env`, /list of KEY=value/],
    [documentWith({ runtime: 'conmon_env = ["A=1", "B"]' }), `${runtime}.conmon_env[1]`, /must be KEY=value/],
    [documentWith({ runtime: 'conmon_env = ["=1"]' }), `${runtime}.conmon_env[0]`, /must be KEY=value/],
    [documentWith({ runtime: 'conmon_env = ["A=\\u0000"]' }), `${runtime}.conmon_env[0]`, /without NUL/],
    [documentWith({ runtime: 'conmon_cgroup = "a.slice"' }), `${runtime}.conmon_cgroup`, /"pod" or empty/],
    [
      documentWith({ runtime: 'cgroup_manager = "systemd"', handler: 'monitor_cgroup = "/x"' }),
      `${handler}.monitor_cgroup`,
      /"pod" or a systemd slice/,
    ],
    [
      documentWith({ runtime: 'cgroup_manager = "v2"' }),
      `${runtime}.cgroup_manager`,
      /"cgroupfs" or "systemd"/,
    ],
    [documentWith({ runtime: 'log_size_max = 8191' }), `${runtime}.log_size_max`, /at least 8192.*8191/],
    [documentWith({ runtime: 'log_size_max = 0' }), `${runtime}.log_size_max`, /-1 for no limit/],
    [documentWith({ runtime: 'log_size_max = 9000.5' }), `${runtime}.log_size_max`, /at least 8192/],
    [documentWith({ runtime: 'log_size_max = inf' }), `${runtime}.log_size_max`, /at least 8192/],
    [documentWith({ runtime: 'log_to_journald = "yes"' }), `${runtime}.log_to_journald`, /true or false/],
    [documentWith({ runtime: 'no_pivot = 1' }), `${runtime}.no_pivot`, /true or false/],
    [documentWith({ runtime: 'ctr_stop_timeout = -1' }), `${runtime}.ctr_stop_timeout`, /seconds from 0/],
    [documentWith({ runtime: 'ctr_stop_timeout = "30"' }), `${runtime}.ctr_stop_timeout`, /whole number/],
    [
      documentWith({ handler: `container_create_timeout = ${twoMonths}` }),
      `${handler}.container_create_timeout`,
      /from 0 to 2147483; it is 5184000/,
    ],
    [documentWith({ handler: 'runtime_type = "../x"' }), `${handler}.runtime_type`, /letters, digits/],
    [documentWith({ handler: 'runtime_root = "/a/../b"' }), `${handler}.runtime_root`, /without '\.\.'/],
    [documentWith({ handler: 'runtime_config_path = "/x"' }), `${handler}.runtime_config_path`, /"oci"/],
    [
      documentWith({ more: `[${shim}]\nruntime_type = "vm"\nruntime_path = "/usr/bin/kata"` }),
      `${shim}.runtime_path`,
      /containerd-shim-/,
    ],
    [
      documentWith({
        more: `[${shim}]\nruntime_type = "vm"\noci_runtime_path = "/x"\nruntime_config_path = "/y"`,
      }),
      `${shim}.oci_runtime_path`,
      /the one or the other/,
    ],
    [documentWith({ handler: 'oci_runtime_path = "/x"' }), `${handler}.oci_runtime_path`, /"oci"/],
    [documentWith({ handler: 'monitor_env = [1979-05-27]' }), `${handler}.monitor_env[0]`, /KEY=value/],
    [documentWith({ handler: 'monitor_path = 1979-05-27T07:32:00Z' }), `${handler}.monitor_path`, /a date/],
    [documentWith({ own: 'state_dir = "state"' }), 'oci-supervisor.state_dir', /absolute path.*"state"/],
    [documentWith({ own: 'state_dir = "/a\\u0000b"' }), 'oci-supervisor.state_dir', /or NUL/],
    [documentWith({ own: 'run_dir = "/.//"' }), 'oci-supervisor.run_dir', /root directory/],
    [
      documentWith({ own: 'run_dir = "/x"\nstate_dir = "/x/"' }),
      'oci-supervisor.run_dir',
      /must differ from/,
    ],
    [
      documentWith({ runtime: 'container_exits_dir = "/x"\ncontainer_attach_socket_dir = "/x"' }),
      `${runtime}.container_attach_socket_dir`,
      /must differ from crio\.runtime\.container_exits_dir, which is \/x too/,
    ],
  ]
  it.each(bad)('%j', (text, key, rule) => {
    const error = configErrorOf(() => parseConfig(text, '/etc/x.toml'))
    expect(error.field).toBe(key)
    expect(error.file).toBe('/etc/x.toml')
    expect(error.message).toContain(`/etc/x.toml: ${key} `)
    expect(error.message).toMatch(rule)
  })

  it.each([
    ['container_exits_dir', '/var/run/crio/exits'],
    ['container_attach_socket_dir', '/var/run/crio'],
    ['container_exits_dir', '/run/crio/exits'],
    ['container_exits_dir', '/var//run/./crio-2/exits'],
  ])('refuses %s %s, since a CRI-O on this host would lose its exits', (name, directory) => {
    const error = configErrorOf(() => parseConfig(documentWith({ runtime: `${name} = "${directory}"` })))
    expect(error.field).toBe(`crio.runtime.${name}`)
    expect(error.message).toContain('a CRI-O on this host would lose exits to us')
  })

  it('refuses CRI-O directories for run_dir, state_dir and runtime_root too', () => {
    expect(configErrorOf(() => parseConfig(documentWith({ own: 'run_dir = "/run/crio"' }))).field).toBe(
      'oci-supervisor.run_dir',
    )
    expect(configErrorOf(() => parseConfig(documentWith({ own: 'state_dir = "/var/lib/crio"' }))).field).toBe(
      'oci-supervisor.state_dir',
    )
    const text = documentWith({ handler: 'runtime_root = "/var/run/crio/x"' })
    expect(configErrorOf(() => parseConfig(text)).field).toBe('crio.runtime.runtimes.crun.runtime_root')
  })

  it('never shows the value of an environment variable', () => {
    const text = documentWith({ runtime: 'conmon_env = ["TOKEN-s3cret"]', handler: 'monitor_env = "s3cret"' })
    const error = configErrorOf(() => parseConfig(text))
    expect(error.message).toContain('monitor_env')
    expect(error.message).not.toContain('s3cret')
  })

  it('lists several faults, but not all of hundreds', () => {
    const handlers = Array.from(
      { length: 200 },
      (_, n) => `[crio.runtime.runtimes.h${n}]\nruntime_path = 1\n`,
    )
    const error = configErrorOf(() => parseConfig(crun + handlers.join('')))
    expect(error.message).toContain('runtimes.h0.runtime_path')
    expect(error.message).toContain('runtimes.h4.runtime_path')
    expect(error.message).toContain('and 195 more')
    expect(error.message.length).toBeLessThan(2000)
  })
})

describe('text that is no TOML', () => {
  it.each([
    ['a = 1\nb = [1,\n  x', /line 3, column 3: unexpected "x"/],
    ['a = "open', /line 1, column 10: unexpected the end of the text/],
    ['a = 1\na = 2', /line 2, column 1: Cannot redefine existing key 'a'$/],
    ['a = 99999999999999999999', /line 1, column 5: Integer/],
  ])('%j is ERR_CONFIG with line and column', (text, place) => {
    const error = configErrorOf(() => parseConfig(text, 'x.toml'))
    expect(error.file).toBe('x.toml')
    expect(error.message).toMatch(/^x\.toml: not valid TOML at /)
    expect(error.message).toMatch(place)
    expect(error.cause).toBeInstanceOf(Error)
  })

  it('is refused when it nests without end', () => {
    expect(configErrorOf(() => parseConfig(`a = ${'['.repeat(100_000)}`)).message).toContain('not valid TOML')
  })
})
