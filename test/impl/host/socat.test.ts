import { describe, expect, it } from 'vitest'
import { readSocatBreak, readSocatFailure, socatArguments } from '../../../src/impl/host/socat.ts'
import type { CommandResult } from '../../../src/impl/launcher/launcher.ts'

function ended(stderrTail: string, exitCode = 1): CommandResult {
  return { exitCode, signal: undefined, timedOut: false, stdout: '', stdoutTruncated: false, stderrTail }
}

describe('socatArguments', () => {
  it('asks for the port before it calls us', () => {
    const programs = { nsenter: '/usr/bin/nsenter', socat: '/usr/bin/socat' }
    const namespaces = { net: '/proc/2/fd/3', user: undefined }
    expect(socatArguments(programs, namespaces, 'TCP6:[::1]', 80, 'a.sock')).toEqual([
      '/usr/bin/nsenter',
      '--net=/proc/2/fd/3',
      '--',
      '/usr/bin/socat',
      '-d',
      '-t2000000',
      '-b65536',
      'TCP6:[::1]:80,nodelay,connect-timeout=10',
      'UNIX-CONNECT:a.sock',
    ])
  })

  it('goes by the user namespace, as who it is, where there is one to enter', () => {
    const programs = { nsenter: '/usr/bin/nsenter', socat: '/usr/bin/socat' }
    const namespaces = { net: '/proc/2/fd/3', user: '/proc/2/fd/4' }
    const words = socatArguments(programs, namespaces, 'TCP4:127.0.0.1', 80, 'a.sock')
    expect(words.slice(0, 5)).toEqual([
      '/usr/bin/nsenter',
      '--user=/proc/2/fd/4',
      '--preserve-credentials',
      '--net=/proc/2/fd/3',
      '--',
    ])
  })
})

// As socat 1.7.4 and nsenter 2.38 say it.
describe('readSocatFailure', () => {
  it.each([
    ['connect(5, AF=2 127.0.0.1:7001, 16): Connection refused', 'unreachable'],
    [
      'connect(5, AF=10 [0000:0000:0000:0000:0000:0000:0000:0001]:7001, 28): Connection refused',
      'unreachable',
    ],
    ['connect(5, AF=2 127.0.0.1:7001, 16): Network is unreachable', 'unreachable'],
    ['connect(, AF=1 "nope.sock", 11): No such file or directory', 'other'],
  ])('knows %s', (message, kind) => {
    const line = `2026/11/23 13:01:37 socat[14903] E ${message}\n`
    expect(readSocatFailure(ended(line))).toEqual({ kind, message })
  })

  it.each([
    ["nsenter: reassociate to namespace 'ns/net' failed: Operation not permitted", 'forbidden'],
    ["nsenter: reassociate to namespace 'ns/net' failed: Invalid argument", 'other'],
  ])('knows %s', (message, kind) => {
    expect(readSocatFailure(ended(`${message}\n`))).toEqual({ kind, message })
  })

  it('has words for one that says nothing', () => {
    expect(readSocatFailure(ended(''))).toEqual({ kind: 'other', message: 'exit code 1' })
  })
})

describe('readSocatBreak', () => {
  it('finds a reset although socat succeeds', () => {
    const line = '2026/11/23 13:28:35 socat[2940] W read(5, 0x558f6307f000, 8192): Connection reset by peer\n'
    expect(readSocatBreak(ended(line, 0))).toContain('Connection reset by peer')
  })

  it('takes no other warning for a break', () => {
    expect(readSocatBreak(ended('2026/11/23 13:28:35 socat[2940] W something else\n', 0))).toBeUndefined()
    expect(readSocatBreak(ended('', 0))).toBeUndefined()
  })
})
