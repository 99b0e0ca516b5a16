import { describe, expect, it } from 'vitest'
import { Container, type ContainerOptions } from '../../../src/container.ts'
import {
  conmonCreateArguments,
  monitorEnvironment,
  type ConmonSettings,
} from '../../../src/impl/oci/conmon-arguments.ts'
import { runtimeEnvironment } from '../../../src/impl/host/runtime-environment.ts'
import { containerPaths, madeFiles, type PathSettings } from '../../../src/impl/oci/paths.ts'

const settings: ConmonSettings & PathSettings = {
  runDir: '/run',
  monitorPath: '/usr/bin/conmon',
  runtimePath: '/usr/bin/crun',
  runtimeRoot: '/run/crun',
  containerExitsDir: '/run/exits',
  containerAttachSocketDir: '/run/attach',
  logSizeMaxBytes: -1,
  logToJournald: false,
  noPivot: false,
  systemdCgroup: false,
}

function argv(
  container: Partial<ContainerOptions> = {},
  change: Partial<ConmonSettings> = {},
): readonly string[] {
  const described = new Container({ id: 'c1', name: 'web', bundlePath: '/b', dir: '/d', ...container })
  const all = { ...settings, ...change }
  return conmonCreateArguments(described, containerPaths(described, all, all.runtimeRoot), all)
}

const stdio = (container: Partial<ContainerOptions>): readonly string[] =>
  argv(container).filter((argument) => ['-t', '-i', '--leave-stdin-open'].includes(argument))

describe('the arguments of conmon', () => {
  it('are those that CRI-O gives', () => {
    expect(argv().join(' ')).toBe(
      '/usr/bin/conmon -b /b -c c1 --exit-dir /run/exits -l /d/container.log --log-level info -n web -P /b/conmon-pidfile ' +
        '-p /b/pidfile --persist-dir /d -r /usr/bin/crun --runtime-arg --root=/run/crun ' +
        '--socket-dir-path /run/attach --syslog -u c1',
    )
  })

  it.each([
    [{}, []],
    [{ terminal: true }, ['-t']],
    [{ terminal: true, stdin: true }, ['-t']],
    [{ stdin: true }, ['--leave-stdin-open', '-i']],
    [{ stdin: true, stdinOnce: true }, ['-i']],
    [{ stdinOnce: true }, []],
  ])('for %j have %j for standard input', (container, expected) => {
    expect(stdio(container)).toEqual(expected)
  })

  it('limit the log only when a limit is configured, and zero is one', () => {
    expect(argv()).not.toContain('--log-size-max')
    expect(argv({}, { logSizeMaxBytes: 0 }).slice(-2)).toEqual(['--log-size-max', '0'])
  })

  it('name the journal beside the log file', () => {
    const all = argv({}, { logToJournald: true, noPivot: true, systemdCgroup: true })
    expect(all).toContain('-l')
    expect(all.slice(-4)).toEqual(['-s', '--log-path', 'journald:', '--no-pivot'])
  })
})

describe('the environment of conmon', () => {
  it('has nothing of ours but PATH and XDG_RUNTIME_DIR, a locale, and what is configured wins', () => {
    const ours = { PATH: '/bin', XDG_RUNTIME_DIR: '/run/user/1', SECRET: 's', NODE_OPTIONS: '--x' }
    expect(runtimeEnvironment(['A=1=2', 'PATH=/opt', 'EMPTY'], ours)).toEqual({
      PATH: '/opt',
      XDG_RUNTIME_DIR: '/run/user/1',
      LANG: 'C.UTF-8',
      A: '1=2',
      EMPTY: '',
    })
  })

  it('has the locale that is configured, however that is done', () => {
    expect(runtimeEnvironment(['LANG=C'], {})['LANG']).toBe('C')
    // Of the three variables it has precedence.
    expect(runtimeEnvironment(['LC_ALL=C'], {})).toMatchObject({ LANG: 'C.UTF-8', LC_ALL: 'C' })
  })

  it('has a PATH when we have none, and the numbers of the pipes', () => {
    const env = monitorEnvironment(runtimeEnvironment([], {}), { terminal: false })
    expect(env).toMatchObject({ _OCI_SYNCPIPE: '3', _OCI_STARTPIPE: '4' })
    expect(env['PATH']).toContain('/usr/bin')
    expect(env).not.toHaveProperty('XDG_RUNTIME_DIR')
  })

  it('has conmon make the socket of a terminal in the bundle, which is its working directory', () => {
    const ofRuntime = runtimeEnvironment(['TMPDIR=/elsewhere'], {})
    expect(monitorEnvironment(ofRuntime, { terminal: true })).toMatchObject({ TMPDIR: '.' })
    expect(monitorEnvironment(ofRuntime, { terminal: false })).toMatchObject({ TMPDIR: '/elsewhere' })
  })
})

describe('the paths of a container', () => {
  const container = new Container({ id: 'c'.repeat(20), bundlePath: '/b', dir: '/d' })
  const link = (directory: string) =>
    containerPaths(container, { ...settings, containerAttachSocketDir: directory }, '/run/crun').attachLink

  it.each([106, 108, 109])(
    'have the attach link under the whole id when it is %i bytes long',
    (lengthBytes) => {
      const directory = `/${'x'.repeat(lengthBytes - 22)}`
      expect(link(directory)).toBe(`${directory}/${container.id}`)
    },
  )

  it('have the attach link one character shorter where conmon shortens it', () => {
    const directory = `/${'x'.repeat(107 - 22)}`
    expect(link(directory)).toBe(`${directory}/${container.id.slice(0, -1)}`)
  })

  it('of files to be removed are neither the log, nor config.json, nor the exit file', () => {
    const paths = containerPaths(container, settings, '/run/crun')
    const kept = new Set([
      paths.configFile,
      paths.exitFile,
      container.logPath,
      container.statePath,
      paths.runtimeState,
    ])
    expect(madeFiles(paths).filter((file) => kept.has(file))).toEqual([])
  })
})
