/** conmon replaced by programs that fail in every way that we could think of. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { patience } from '../../support/patience.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { containing, expectFailedCreate, matching, openBadHost, type Program } from './bad-host.ts'

/** Reads the start byte, as conmon does, and then says this on the sync pipe. */
const says = (text: string): Program => ({
  script: `head -c 1 <&4 >/dev/null\nprintf '%s\\n' '${text}' >&3\nexit 0`,
})

/** For monitors that hang: a good one takes a tenth of it. */
const hangsMs = patience(1500)

const monitorFailed = { code: 'ERR_MONITOR_FAILED' }
const oneMebibyte = 'head -c 1048576 /dev/zero | tr "\\0" x'

describe('a monitor', () => {
  it.each<[string, Program, object]>([
    [
      'that exits with an error and says why',
      { script: 'echo "[conmon:e]: Failed to open log file: Permission denied" >&2; exit 1' },
      {
        ...monitorFailed,
        message:
          'the monitor of container <id> exited with code 1: Failed to open log file: Permission denied',
        command: {
          exitCode: 1,
          signal: undefined,
          stderrTail: matching(/^\[conmon:e\]: Failed/),
        },
      },
    ],
    [
      'that exits with an error and without a word',
      { script: 'exit 3' },
      {
        ...monitorFailed,
        message: 'the monitor of container <id> exited with code 3: it said nothing',
        command: { exitCode: 3, stderrTail: '' },
      },
    ],
    [
      'that exits with an error after its start byte',
      { script: 'head -c 1 <&4 >/dev/null; echo late >&2; exit 4' },
      { ...monitorFailed, command: { exitCode: 4, stderrTail: 'late\n' } },
    ],
    [
      'that crashes',
      { script: 'kill -SEGV $$' },
      {
        ...monitorFailed,
        message: 'the monitor of container <id> was killed by SIGSEGV: it said nothing',
        command: { exitCode: undefined, signal: 'SIGSEGV' },
      },
    ],
    [
      'that cannot stop talking',
      { script: `${oneMebibyte}; ${oneMebibyte} >&2; exit 1` },
      { ...monitorFailed, command: { exitCode: 1, stderrTail: 'x'.repeat(8192) } },
    ],
    [
      'that never ends its answer',
      { script: `${oneMebibyte} >&3` },
      {
        ...monitorFailed,
        message: matching(/^the monitor of container \S+ said what is no answer: "x{1024}"$/),
      },
    ],
    [
      'that goes without a word',
      { script: 'head -c 1 <&4 >/dev/null; exit 0' },
      {
        ...monitorFailed,
        message: 'the monitor of container <id> closed its sync pipe without a word',
        command: { exitCode: 0 },
      },
    ],
    [
      'that goes without a word and without having listened',
      { script: 'exit 0' },
      { ...monitorFailed, message: 'the monitor of container <id> closed its sync pipe without a word' },
    ],
    [
      'that leaves a daemon behind which says nothing',
      { script: 'head -c 1 <&4 >/dev/null; setsid sleep 1001 3>&- 4>&- & exit 0' },
      { ...monitorFailed, message: 'the monitor of container <id> closed its sync pipe without a word' },
    ],
    [
      'that speaks nonsense and stays',
      { script: `head -c 1 <&4 >/dev/null; echo nonsense >&3; exec sleep 1002` },
      { ...monitorFailed, message: 'the monitor of container <id> said what is no answer: "nonsense"' },
    ],
  ])('%s', async (_, badMonitor, expected) => {
    const host = await openBadHost({ badMonitor })
    const error = await expectFailedCreate(host, expected)
    expect(error.command?.argv[0]).toBe(`${host.root}/bad-conmon`)
    expect(error.command?.argv).toContain(error.containerId)
  })

  it.each([
    '{"pid":',
    '',
    '[]',
    '{}',
    'null',
    '"5"',
    '{"data": 5}',
    '{"pid": 0}',
    '{"pid": 1}',
    '{"pid": -2}',
    '{"pid": 1.5}',
    '{"pid": "x"}',
    '{"pid": null}',
    '{"pid": 1e99}',
    '{"pid": 4294967296}',
    `{"pid":${process.pid}}`,
  ])('whose answer is %s', async (answer) => {
    const host = await openBadHost({ badMonitor: says(answer) })
    await expectFailedCreate(host, {
      ...monitorFailed,
      message: `the monitor of container <id> said what is no answer: ${JSON.stringify(answer)}`,
    })
  })

  it.each<[string, object]>([
    [
      '{"pid": -1}',
      { code: 'ERR_CREATE_FAILED', message: 'the runtime refused to create container <id> without a word' },
    ],
    [
      '{"pid": -1, "message": "no space left on device"}',
      {
        code: 'ERR_CREATE_FAILED',
        message: 'no space left on device',
        command: { stderrTail: 'no space left on device' },
      },
    ],
    ['{"pid": -1, "message": 5}', { code: 'ERR_CREATE_FAILED' }],
    [
      '{"pid": -1, "message": "executable file `/nope` not found in $PATH: No such file or directory\\n"}',
      { code: 'ERR_COMMAND_NOT_FOUND' },
    ],
  ])('that passes on a refusal as %s', async (answer, expected) => {
    await expectFailedCreate(await openBadHost({ badMonitor: says(answer) }), expected)
  })

  it.each<[string, string]>([
    ['before its start byte', 'exec sleep 1003'],
    ['after its start byte', 'head -c 1 <&4 >/dev/null; sleep 1004; true'],
    ['and ignores TERM', 'trap "" TERM; while :; do sleep 1; done'],
    ['as a daemon', 'head -c 1 <&4 >/dev/null; setsid sleep 1005 & exit 0'],
  ])('that hangs %s', async (_, script) => {
    const host = await openBadHost({
      badMonitor: { script },
      options: { limits: { createTimeoutMs: hangsMs } },
    })
    await expectFailedCreate(host, { code: 'ERR_TIMEOUT', message: containing(`${hangsMs} ms`) })
  })
})

describe('a program that cannot be executed', () => {
  const root = makeTempRoot()
  const plain = join(root, 'plain')
  writeFileSync(plain, '#!/bin/sh\nexit 1\n')
  chmodSync(plain, 0o644)
  const interpreted = join(root, 'interpreted')
  writeFileSync(interpreted, '#!/nowhere/sh\n')
  chmodSync(interpreted, 0o755)

  describe.each([
    ['badMonitor', 'monitorPath'],
    ['badRuntime', 'runtimePath'],
  ] as const)('as %s', (which, field) => {
    it.each<[string, string, RegExp]>([
      ['is missing', '/nowhere/at/all', /\/nowhere\/at\/all does not exist/],
      ['is behind a file', `${plain}/x`, /does not exist/],
      ['is not executable', plain, /must be executable/],
      ['is a directory', root, /must be an executable file/],
    ])('%s', async (_, path, message) => {
      const host = await openBadHost({ [which]: { path } })
      await expectFailedCreate(host, {
        code: 'ERR_RUNTIME_NOT_FOUND',
        field,
        file: path,
        message: matching(message),
      })
    })
  })

  it('has no interpreter', async () => {
    const host = await openBadHost({ badMonitor: { path: interpreted } })
    const error = await expectFailedCreate(host, { code: 'ERR_RUNTIME_NOT_FOUND', file: interpreted })
    expect(error.message).toMatch(/interpreter/)
  })
})
