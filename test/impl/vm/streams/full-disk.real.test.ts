import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Collector } from '../../../support/collector.ts'
import { Stage } from './stage.ts'

const mebi = 1024 * 1024
const mounted: string[] = []

/** A disk of one mebibyte. */
function smallDisk(stage: Stage): string {
  const directory = join(stage.root, 'disk')
  mkdirSync(directory)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
  mounted.push(directory)
  return directory
}

function unmountAll(): void {
  for (const directory of mounted.splice(0)) execFileSync('umount', [directory])
}

function onSmallDisk(): { stage: Stage; disk: string } {
  const stage = new Stage()
  const disk = smallDisk(stage)
  Object.assign(stage.spec, { logPath: join(disk, 'log') })
  return { stage, disk }
}

afterEach(unmountAll)

describe('a full disk', () => {
  it('costs the log its end, not the container and not those who are attached', async () => {
    const { stage } = onSmallDisk()
    await stage.make()
    const stdout = new Collector()
    const session = await stage.attach({ stdout })
    expect(await stage.run('seq 1 500000')).toBe(true)
    expect(await session.ended).toEqual({ reason: 'exited', error: undefined })
    expect(stdout.sizeBytes).toBe(3_388_895)
    const lines = await stage.lines()
    expect(lines.findIndex((line, index) => line !== String(index + 1))).toBe(-1)
    expect(stage.logText().endsWith('\n')).toBe(true)
    const loggedBytes = lines.join('\n').length + 1
    expect(stage.streams.lostBytes).toBe(3_388_895 - loggedBytes)
    expect(stage.logger.messages).toMatchObject([
      { level: 'error', fields: { containerId: 'c1', err: { code: 'ENOSPC' } } },
      { level: 'warn', fields: { lostBytes: stage.streams.lostBytes } },
    ])
  })

  it('is written to again when there is room, at the beginning of a line', async () => {
    const { stage, disk } = onSmallDisk()
    await stage.make()
    const go = join(stage.root, 'go')
    const ballast = join(disk, 'ballast')
    const { bavail, bsize } = statfsSync(disk)
    writeFileSync(ballast, Buffer.alloc(bavail * bsize - 8192))
    const waiting = `while [ ! -e ${go} ]; do sleep 0.01; done`
    const shim = await stage.start(`printf begun; seq 1 20000; ${waiting}; echo after`)
    const printedBytes = 'begun'.length + 108_894
    const settledBytes = async (): Promise<number> =>
      stage.streams.lostBytes + (await stage.linesSoFar()).join('\n').length + 1
    while ((await settledBytes()) < printedBytes) await new Promise((resolve) => setTimeout(resolve, 2))
    rmSync(ballast)
    writeFileSync(go, '')
    await shim.exited
    expect(await stage.streams.drain(5000)).toBe(true)
    const lines = await stage.lines()
    expect(lines[0]).toBe('begun1')
    expect(lines.at(-1)).toBe('after')
    expect(lines.slice(1, -1).findIndex((line, index) => line !== String(index + 2))).toBe(-1)
  })

  it('does not keep a log from being begun anew at its limit, which makes room', async () => {
    const { stage } = onSmallDisk()
    Object.assign(stage.spec, { logSizeMaxBytes: mebi / 4 })
    await stage.make()
    expect(await stage.run('seq 1 100000')).toBe(true)
    expect(stage.streams.lostBytes).toBe(0)
    expect(statSync(stage.spec.logPath).size).toBeLessThanOrEqual(mebi / 4)
    expect(readFileSync(stage.spec.logPath, 'utf8')).toMatch(/ stdout F 100000\n$/)
  })
})
