import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Reply, type Request, parseReply, parseRequest } from '../../../src/impl/launcher/protocol.ts'

const command = { id: 7, argv: ['a', 'b'] as const, env: { A: 'b' }, cwd: '/', timeoutMs: 5 }
const requests: Request[] = [
  { type: 'run', ...command, stdoutMaxBytes: 10 },
  { type: 'monitor', ...command, syncFifo: '/f' },
  { type: 'start', id: 1 },
  { type: 'abort', id: 1 },
  { type: 'ping', id: 1 },
  {
    type: 'attend',
    id: 7,
    argv: ['a'],
    env: {},
    cwd: '/',
    stdio: { stdin: '/i', more: [{ path: '/m', access: 'both' }] },
    onOrphan: 'leave',
  },
]
const exit = { exitCode: 1, signal: undefined }
const result = {
  ...exit,
  stdout: 'o',
  stderrTail: 'e',
  timedOut: false,
  stdoutTruncated: false,
  notStarted: undefined,
}
const replies: Reply[] = [
  { type: 'hello', protocol: 1, notes: ['n'] },
  { type: 'spawned', id: 1, pid: 2 },
  { type: 'pong', id: 1 },
  { type: 'aborted', id: 1 },
  { type: 'ran', id: 1, result },
  { type: 'ran', id: 1, result: { ...result, notStarted: { errno: 'ENOENT', path: '/x' } } },
  { type: 'monitored', id: 1, answer: { kind: 'created', containerPid: 2 } },
  { type: 'monitored', id: 1, answer: { kind: 'refused', message: 'm' } },
  { type: 'monitored', id: 1, answer: { kind: 'exited', ...exit, stderrTail: 's' } },
  { type: 'monitored', id: 1, answer: { kind: 'silent', exitCode: 0, stderrTail: 's' } },
  { type: 'monitored', id: 1, answer: { kind: 'garbled', text: 't', stderrTail: 's' } },
  { type: 'monitored', id: 1, answer: { kind: 'timedOut', stderrTail: 's' } },
  { type: 'monitored', id: 1, answer: { kind: 'notStarted', errno: 'EACCES', path: '/x' } },
  { type: 'monitored', id: 1, answer: { kind: 'notStarted', errno: 'ENOENT', path: '/x', isFifo: true } },
]

const overTheWire = (message: unknown): unknown => JSON.parse(JSON.stringify(message))

describe('the protocol', () => {
  it.each(requests)('carries a request of type $type unchanged', (request) => {
    expect(parseRequest(overTheWire(request))).toEqual(request)
  })

  it.each(replies)('carries a reply of type $type unchanged', (reply) => {
    expect(parseReply(overTheWire(reply))).toEqual(reply)
  })

  it('takes nothing else', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(parseRequest(value)).toBeUndefined()
        expect(parseReply(value)).toBeUndefined()
      }),
    )
  })

  it('takes no message that lacks a part', () => {
    expect(parseReply({ type: 'ran', result })).toBeUndefined()
    expect(parseReply({ type: 'ran', id: 1, result: { stdout: 'o' } })).toBeUndefined()
    expect(parseRequest({ type: 'run', ...command })).toBeUndefined()
    const attend = { type: 'attend', ...command, onOrphan: 'kill' }
    expect(parseRequest({ ...attend, stdio: {} })).toBeDefined()
    for (const more of [1, [{}], [{ path: 1, access: 'read' }], [{ path: '/m', access: 'write' }]])
      expect(parseRequest({ ...attend, stdio: { more } })).toBeUndefined()
    expect(parseRequest({ type: 'monitor', ...command })).toBeUndefined()
    expect(parseRequest({ type: 'monitor', ...command, syncFifo: '/f', argv: [] })).toBeUndefined()
    expect(parseRequest({ type: 'monitor', ...command, syncFifo: '/f', env: { A: 1 } })).toBeUndefined()
    expect(
      parseReply({ type: 'monitored', id: 1, answer: { kind: 'created', containerPid: -1 } }),
    ).toBeUndefined()
  })
})
