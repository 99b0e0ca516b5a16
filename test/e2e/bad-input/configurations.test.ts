/** A TOML file with everything that can be wrong in it, on its way to an open runtime. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, Runtime, type Logger } from '../../../src/index.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { containing, expectPlainWords, matching, programs, rejection } from './bad-host.ts'

const good = (root: string) => `
[crio.runtime]
default_runtime = "crun"
[crio.runtime.runtimes.crun]
runtime_path = "${programs.crun}"
[oci-supervisor]
state_dir = "${root}/state"
run_dir = "${root}/run"
`

const silent = () => undefined

describe('a configuration file', () => {
  it.each<[string, (file: string) => void, RegExp]>([
    ['is missing', () => undefined, /cannot be read: ENOENT/],
    ['is a directory', (file) => mkdirSync(file), /is not a regular file/],
    ['is a FIFO', (file) => void execFileSync('mkfifo', [file]), /is not a regular file/],
    [
      'has 1 GiB',
      (file) => {
        writeFileSync(file, '')
        truncateSync(file, 2 ** 30)
      },
      /must not be larger than 1048576 bytes/,
    ],
    ['is not UTF-8', (file) => writeFileSync(file, Buffer.from([0xff, 0xfe])), /must be UTF-8/],
    ['is not TOML', (file) => writeFileSync(file, '[crio\n'), /not valid TOML at line 1/],
  ])('that %s is ERR_CONFIG with the file', async (_, make, words) => {
    const file = join(makeTempRoot(), 'crio.conf')
    make(file)
    const error = await rejection(loadConfig(file))
    expect(error).toMatchObject({ code: 'ERR_CONFIG', file, message: matching(words) })
    expect(error.message).toContain(file)
    expectPlainWords(error)
    execFileSync('rm', ['-rf', file])
  })

  it.each<[string, string, string]>([
    ['conmon = 5', 'crio.runtime.conmon', 'must be an absolute path'],
    ['conmon = "conmon"', 'crio.runtime.conmon', 'must be an absolute path'],
    ['conmon_env = "A=b"', 'crio.runtime.conmon_env', 'must be a list of KEY=value'],
    ['conmon_env = ["A"]', 'crio.runtime.conmon_env[0]', 'must be KEY=value'],
    ['cgroup_manager = "cgroup"', 'crio.runtime.cgroup_manager', 'must be "cgroupfs" or "systemd"'],
    ['log_size_max = "8k"', 'crio.runtime.log_size_max', 'must be -1 for no limit'],
    ['log_size_max = 1', 'crio.runtime.log_size_max', 'at least 8192'],
    ['no_pivot = "yes"', 'crio.runtime.no_pivot', 'must be true or false'],
    ['ctr_stop_timeout = -1', 'crio.runtime.ctr_stop_timeout', 'must be a whole number of seconds'],
    ['container_exits_dir = "/run/crio/exits"', 'crio.runtime.container_exits_dir', 'directory of CRI-O'],
    ['container_exits_dir = "/a/../b"', 'crio.runtime.container_exits_dir', 'must be an absolute path'],
    ['default_runtime = "nope"', 'crio.runtime.default_runtime', 'must name a configured handler'],
    ['runtimes = 5', 'crio.runtime.runtimes', 'must be a table of tables'],
    ['runtimes.crun = 5', 'crio.runtime.runtimes.crun', 'must be a table'],
    ['runtimes."../x" = {}', 'crio.runtime.runtimes."../x"', 'must be 1 to 63 letters'],
    ['runtimes.crun = {}', 'crio.runtime.runtimes.crun.runtime_path', 'may not be looked up'],
    [
      'runtimes.crun = { runtime_path = "/x", container_create_timeout = "240s" }',
      'crio.runtime.runtimes.crun.container_create_timeout',
      'must be a whole number of seconds',
    ],
  ])('with %s is ERR_CONFIG for %s', async (line, field, words) => {
    const file = join(makeTempRoot(), 'crio.conf')
    const handler = line.startsWith('runtimes')
      ? ''
      : `\nruntimes.crun = { runtime_path = "${programs.crun}" }`
    writeFileSync(file, `[crio.runtime]\n${line}${handler}\n`)
    const error = await rejection(loadConfig(file))
    expect(error).toMatchObject({ code: 'ERR_CONFIG', field, file, message: containing(words) })
    expect(error.message).toContain(field)
    expectPlainWords(error)
  })

  it('with mistyped keys of our tables opens, and warns of each with the nearest that is known', async () => {
    const root = makeTempRoot()
    const file = join(root, 'crio.conf')
    const text = good(root)
      .replace('[crio.runtime]', '[crio.runtime]\ncontainer_exit_dir = "/x"\nquite_unknown = 1')
      .replace('[oci-supervisor]', 'runtime_pth = "/x"\n[oci-supervisor]\nstatedir = "/x"')
    writeFileSync(file, text)
    const warned: string[] = []
    const logger: Logger = {
      debug: silent,
      info: silent,
      error: silent,
      warn: (_: object, message?: string) => void warned.push(message ?? ''),
    }
    const runtime = await Runtime.open(await loadConfig(file), { logger })
    await runtime.close()
    expect(warned).toEqual([
      'unknown key oci-supervisor.statedir is ignored; did you mean oci-supervisor.state_dir?',
      'unknown key crio.runtime.container_exit_dir is ignored; did you mean crio.runtime.container_exits_dir?',
      'unknown key crio.runtime.quite_unknown is ignored',
      'unknown key crio.runtime.runtimes.crun.runtime_pth is ignored; did you mean crio.runtime.runtimes.crun.runtime_path?',
    ])
  })
})
