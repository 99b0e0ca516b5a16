import { lstatSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createExitFileRemoval } from '../../src/actors/exit-file-removal.ts'
import { fileVersion } from '../../src/actors/exit-file.ts'
import { systemClock, type Clock } from '../../src/surroundings/clock.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import { temporaryDirectory } from './exit-fixture.ts'

/** Tries again without a pause. */
const hasty: Clock = { ...systemClock, setTimeout: (run) => systemClock.setTimeout(run, 0) }

async function stage() {
  const directory = await temporaryDirectory()
  const pathOf = (id: string): string => join(directory, id)
  const removal = createExitFileRemoval({ pathOf, clock: hasty, log: silentLogger, leftOversMax: 2 })
  return {
    removal,
    write: (id: string): void => {
      writeFileSync(pathOf(id), '0')
    },
    /** What no unlink removes. */
    obstruct: (id: string): string => {
      mkdirSync(pathOf(id))
      return fileVersion(lstatSync(pathOf(id), { bigint: true }))
    },
    clear: (id: string): void => {
      rmSync(pathOf(id), { recursive: true })
    },
  }
}

describe('the removal of an exit file', () => {
  it('that fails says which, and knows what it left behind as soon as it says so', async () => {
    const { removal, obstruct } = await stage()
    const version = obstruct('a')
    const failed = { code: 'ERR_IO', containerId: 'a' }
    await expect(removal.remove('a')).rejects.toMatchObject(failed)
    expect([removal.isLeftOver('a', version), removal.isLeftOver('a', 'later')]).toEqual([true, false])
    expect(removal.isRemoving('a')).toBe(false)
  })

  it('that succeeds in the end leaves nothing behind', async () => {
    const { removal, obstruct, clear } = await stage()
    const version = obstruct('a')
    await expect(removal.remove('a')).rejects.toMatchObject({ code: 'ERR_IO' })
    clear('a')
    await removal.remove('a')
    expect(removal.isLeftOver('a', version)).toBe(false)
  })

  it('forgets the oldest of those left behind, not more than it must', async () => {
    const { removal, obstruct } = await stage()
    const known: boolean[] = []
    const versions = ['a', 'b', 'c'].map((id) => [id, obstruct(id)] as const)
    for (const [id] of versions) await removal.remove(id).catch(() => undefined)
    for (const [id, version] of versions) known.push(removal.isLeftOver(id, version))
    expect(known).toEqual([false, true, true])
  })

  it('is under way until the last of those asked for has ended', async () => {
    const { removal, write } = await stage()
    write('a')
    const first = removal.remove('a')
    const second = removal.remove('a')
    await first
    expect(removal.isRemoving('a')).toBe(true)
    await second
    expect(removal.isRemoving('a')).toBe(false)
  })
})
