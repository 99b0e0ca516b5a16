import { describe, expect, it } from 'vitest'
import { ioError } from '../../../src/files.ts'
import { endExec } from '../../../src/impl/oci/exec-end.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'

/** A command whose cgroup cannot be read as often as `failures` says, and that has ended when it could be. */
function command(failures: number) {
  const cleared = Promise.withResolvers<void>()
  const warnings: unknown[] = []
  const kills: string[] = []
  let left = failures
  const parts = {
    containerId: 'c1',
    logger: { ...silentLogger, warn: (fields: object) => warnings.push(fields) },
    child: { kill: () => void kills.push('monitor') },
    monitor: undefined,
    cleared: cleared.promise.then(() => true),
    cgroup: {
      end: () => {
        left -= 1
        if (left >= 0) return Promise.reject(ioError('read', '/proc', new Error('EMFILE')))
        cleared.resolve()
        return Promise.resolve(true)
      },
    },
    mark: undefined,
  }
  return { parts, warnings, kills }
}

describe('the end of a command', () => {
  it('is tried anew while this process has no descriptors to look with', async () => {
    const { parts, warnings, kills } = command(2)
    expect(await endExec(parts, 60_000)).toBe(true)
    expect([warnings, kills]).toEqual([[], []])
  })

  it('that does not succeed in time is told in the log, and kills the monitor', async () => {
    const { parts, warnings, kills } = command(Infinity)
    expect(await endExec(parts, 1)).toBe(false)
    expect(warnings).toMatchObject([{ containerId: 'c1', err: { code: 'ERR_IO' } }])
    expect(kills).toEqual(['monitor'])
  })
})
