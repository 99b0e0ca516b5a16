import { describe, expect, it } from 'vitest'
import { checkExecCommand, checkExecSyncLimits } from '../../../src/impl/requests/exec-command.ts'
import { wrongly } from '../../support/wrongly.ts'

describe('a command', () => {
  it.each([
    [{ argv: 'uname -a' }, 'command'],
    [{ argv: [] }, 'command'],
    [{ argv: [''] }, 'command'],
    [{ argv: ['a', 'b\0'] }, 'command.1'],
    [{ argv: ['x'.repeat(131_072)] }, 'command.0'],
    [{ argv: ['a', ...Array.from({ length: 30 }, () => 'x'.repeat(100_000))] }, 'command'],
    [{ argv: Array.from({ length: 70_000 }, () => 'a') }, 'command'],
    [{ argv: ['a'], env: { '': 'x' } }, 'env'],
    [{ argv: ['a'], env: ['A=b'] }, 'env'],
    [{ argv: ['a'], cwd: 5 }, 'cwd'],
    [{ argv: ['a'], env: { A: 'x\0' } }, 'env.A'],
    [{ argv: ['a'], cwd: 'b' }, 'cwd'],
    [{ argv: ['a'], cwd: '/b\0' }, 'cwd'],
  ])('is refused with the field that is wrong: case %#', (command, field) => {
    expect(() => checkExecCommand(wrongly(command))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }),
    )
  })

  it('may have an argument of 100 kB, and empty ones after the first', () => {
    expect(() => checkExecCommand({ argv: ['a', '', 'x'.repeat(100_000)], cwd: '/' })).not.toThrow()
  })
})

describe('the limits of a command', () => {
  it.each([
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs'],
    [{ outputMaxBytes: -1 }, 'outputMaxBytes'],
    [{ outputMaxBytes: '5' }, 'outputMaxBytes'],
    [{ drainMs: -Infinity }, 'drainMs'],
  ])('are refused with the field that is wrong: %j', (limits, field) => {
    expect(() => checkExecSyncLimits(wrongly({ argv: ['a'], ...limits }))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }),
    )
  })

  it('may be left out, nothing at all for output, and without end', () => {
    const none = { argv: ['a'], timeoutMs: Infinity, outputMaxBytes: 0, drainMs: 0 }
    expect(() => checkExecSyncLimits(none)).not.toThrow()
    expect(() => checkExecSyncLimits({ argv: ['a'] })).not.toThrow()
  })
})
