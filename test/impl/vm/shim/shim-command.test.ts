import { describe, expect, it } from 'vitest'
import { isOciError } from '../../../../src/errors/index.ts'
import {
  shimEnvironment,
  shimStartArguments,
  socketOfAnswer,
} from '../../../../src/impl/vm/shim/shim-command.ts'
import { parseShimLine } from '../../../../src/impl/vm/shim/shim-log.ts'

function codeOf(text: string): string {
  try {
    return socketOfAnswer(text)
  } catch (error) {
    return isOciError(error) ? error.code : String(error)
  }
}

describe('the start of a shim', () => {
  it('has the arguments that CRI-O gives', () => {
    const command = { shimPath: '/bin/containerd-shim-x-v2', containerId: 'c1', debug: false }
    expect(shimStartArguments(command).join(' ')).toBe(
      '/bin/containerd-shim-x-v2 -namespace default -address  -publish-binary /bin/true -id c1 start',
    )
    expect(shimStartArguments({ ...command, debug: true })).toContain('-debug')
  })

  it('says TTRPC_ADDRESS even when nobody listens: one that is inherited would wedge it', () => {
    expect(shimEnvironment({ PATH: '/bin', TTRPC_ADDRESS: '/gone' }, '')).toEqual({
      PATH: '/bin',
      GOMAXPROCS: '2',
      MAX_SHIM_VERSION: '2',
      GRPC_ADDRESS: '',
      NAMESPACE: 'default',
      TTRPC_ADDRESS: '',
    })
  })
})

describe('the answer of a shim', () => {
  it.each([
    ['unix:///run/containerd/s/abc', '/run/containerd/s/abc'],
    ['unix:///run/containerd/s/abc\n', '/run/containerd/s/abc'],
    ['/run/s', '/run/s'],
    ['{"version":2,"address":"unix:///run/s","protocol":"ttrpc"}', '/run/s'],
    ['{"version":2,"address":"unix:///run/s"}', '/run/s'],
    ['{"version":3,"address":"unix:///run/s","protocol":"ttrpc"}', 'ERR_UNSUPPORTED'],
    ['{"version":2,"address":"unix:///run/s","protocol":"grpc"}', 'ERR_UNSUPPORTED'],
    ['{"version":2}', 'ERR_MONITOR_FAILED'],
    ['{"version":', 'ERR_MONITOR_FAILED'],
    ['null', 'ERR_MONITOR_FAILED'],
    ['', 'ERR_MONITOR_FAILED'],
    ['hello', 'ERR_MONITOR_FAILED'],
    ['vsock://3:1024', 'ERR_MONITOR_FAILED'],
    [`unix:///${'x'.repeat(107)}`, 'ERR_MONITOR_FAILED'],
  ])('%j is %s', (text, meaning) => {
    expect(codeOf(text)).toBe(meaning)
  })
})

describe('a line of a shim’s log', () => {
  it.each([
    ['time="2024-01-01T00:00:00Z" level=warning msg="it \\"is\\" odd" pid=3', 'warn', 'it "is" odd pid=3'],
    ['time="2024-01-01T00:00:00Z" level=info msg=plain', 'info', 'plain'],
    ['level=fatal msg="over"', 'error', 'over level=fatal msg="over"'],
    ['panic: something', 'info', 'panic: something'],
  ])('%j is told as %s', (line, level, message) => {
    expect(parseShimLine(line)).toEqual({ level, message })
  })
})
