import { describe, expect, it } from 'vitest'
import { creationError } from '../../../src/impl/oci/create.ts'
import { hasOwnPidNamespace } from '../../../src/impl/host/pid-namespace.ts'
import type { MonitorFailure } from '../../../src/impl/launcher/launcher.ts'
import { parseNotes } from '../../../src/impl/oci/notes.ts'
import { parseRuntimeState } from '../../../src/impl/host/runtime-state.ts'
import { notStartedError, runtimeArguments } from '../../../src/impl/host/runtime-command.ts'

const argv = ['/usr/bin/conmon', '-c', 'c1'] as const

describe('a create that conmon did not complete', () => {
  it.each<[MonitorFailure, string, string]>([
    [
      { kind: 'refused', message: 'executable file `/x` not found in $PATH: No such file' },
      'ERR_COMMAND_NOT_FOUND',
      '`/x`',
    ],
    [{ kind: 'refused', message: 'something new' }, 'ERR_CREATE_FAILED', 'something new'],
    [{ kind: 'refused', message: '' }, 'ERR_CREATE_FAILED', 'container c1 without a word'],
    [
      {
        kind: 'exited',
        exitCode: 1,
        signal: undefined,
        stderrTail: '[conmon:e]: Runtime path /x is not valid No such file',
      },
      'ERR_RUNTIME_NOT_FOUND',
      'Runtime path /x',
    ],
    [
      {
        kind: 'exited',
        exitCode: 1,
        signal: undefined,
        stderrTail: '[conmon:e]: Failed to open log file No such process',
      },
      'ERR_MONITOR_FAILED',
      'the monitor of container c1 exited with code 1: Failed to open log file',
    ],
    [
      { kind: 'exited', exitCode: undefined, signal: 'SIGSEGV', stderrTail: '' },
      'ERR_MONITOR_FAILED',
      'container c1 was killed by SIGSEGV',
    ],
    [{ kind: 'silent', exitCode: 0, stderrTail: '' }, 'ERR_MONITOR_FAILED', 'container c1 closed'],
    [
      { kind: 'garbled', text: 'huh', stderrTail: '' },
      'ERR_MONITOR_FAILED',
      'container c1 said what is no answer: "huh"',
    ],
    [{ kind: 'timedOut', stderrTail: '' }, 'ERR_TIMEOUT', 'container c1 was not created within 5000 ms'],
    [
      { kind: 'notStarted', errno: 'ENOENT', path: '/usr/bin/conmon' },
      'ERR_RUNTIME_NOT_FOUND',
      '/usr/bin/conmon',
    ],
  ])('%j is %s', (failure, code, words) => {
    const error = creationError(failure, argv, 'c1', 5000)
    expect(error).toMatchObject({ code, containerId: 'c1', command: { argv } })
    expect(error.message).toContain(words)
  })

  it('is no missing program when a FIFO of its is gone', () => {
    const error = notStartedError({ errno: 'ENOENT', path: '/run/fifo', isFifo: true }, {})
    expect(error).toMatchObject({
      code: 'ERR_IO',
      file: '/run/fifo',
      message: 'FIFO /run/fifo cannot be opened: ENOENT',
    })
  })

  it('is no missing program when the host is short of something', () => {
    expect(notStartedError({ errno: 'EAGAIN', path: '/x' }, {}).code).toBe('ERR_BUSY')
    expect(notStartedError({ errno: 'ENOMEM', path: '/x' }, {}).code).toBe('ERR_RUNTIME_FAILED')
  })
})

const spec = (namespaces?: { type: string; path?: string }[]) => ({
  ociVersion: '1.0.2',
  linux: namespaces === undefined ? {} : { namespaces },
})

describe('what a container shares', () => {
  it('is the pid namespace unless it has one without a path', () => {
    expect(hasOwnPidNamespace(spec([{ type: 'mount' }, { type: 'pid' }]))).toBe(true)
    expect(hasOwnPidNamespace(spec([{ type: 'pid', path: '/proc/1/ns/pid' }]))).toBe(false)
    expect(hasOwnPidNamespace(spec([{ type: 'mount' }]))).toBe(false)
    expect(hasOwnPidNamespace(spec())).toBe(false)
  })
})

describe('the notes on a container', () => {
  const notes = {
    runtimeRoot: '/run/crun',
    ownPidNamespace: true,
    init: { pid: 7, startTicks: '12' },
    cgroupPaths: { memory: '/x' },
    monitorCgroups: ['/sys/fs/cgroup/memory/crio-conmon-c1'],
  }

  it('come back as they were written', () => {
    expect(parseNotes(JSON.stringify(notes))).toEqual(notes)
    expect(parseNotes(JSON.stringify({ ...notes, init: undefined }))).toEqual({ ...notes, init: undefined })
  })

  it.each([
    '',
    '{',
    '[]',
    JSON.stringify({ ...notes, init: { pid: 1, startTicks: '1' } }),
    JSON.stringify({ ...notes, monitorCgroups: ['x'] }),
  ])('are none when they read %s', (text) => {
    expect(parseNotes(text)).toBeUndefined()
  })
})

describe("the runtime's command line and answer", () => {
  it('has its options before the verb and the id before the operands', () => {
    const kill = { verb: 'kill', flags: ['--all'], operands: ['KILL'] } as const
    expect(runtimeArguments('/crun', '/r', 'c1', kill, false)).toEqual([
      '/crun',
      '--root',
      '/r',
      'kill',
      '--all',
      'c1',
      'KILL',
    ])
    expect(runtimeArguments('/runc', '/r', 'c1', { verb: 'state' }, true)).toEqual([
      '/runc',
      '--root',
      '/r',
      '--systemd-cgroup',
      'state',
      'c1',
    ])
  })

  it('is read for status and pid, whatever else it holds', () => {
    expect(parseRuntimeState('{"ociVersion":"1.0.0","pid":9,"status":"running"}\n\n', 'c1')).toEqual({
      status: 'running',
      pid: 9,
    })
    expect(parseRuntimeState('{"status":"stopped"}', 'c1')).toEqual({ status: 'stopped', pid: 0 })
  })

  it.each(['', '{}', '{"status":"unknown","pid":1}', '{"status":"running","pid":-1}', 'x'.repeat(1000)])(
    'is an error when it is %s',
    (text) => {
      expect(() => parseRuntimeState(text, 'c1')).toThrow(
        expect.objectContaining({ code: 'ERR_RUNTIME_FAILED' }),
      )
    },
  )
})
