import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { firstValueFrom, toArray, take } from 'rxjs'
import { openExitEvents } from '../../../src/actors/exit-events.ts'
import type { ExitFact } from '../../../src/impl/runtime-impl.ts'
import { VmExits } from '../../../src/impl/vm/exits.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { systemClock } from '../../../src/surroundings/clock.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { factMaxMs } from '../../support/eventually.ts'

const finishedNs = 1_700_000_000_250_000_000n
const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function open(): Promise<{ exits: VmExits; directory: string; seen: ExitFact[] }> {
  const directory = `${makeTempRoot()}/exits`
  mkdirSync(directory)
  const source = await openExitEvents({ directory, logger: silentLogger, clock: systemClock })
  closers.push(() => source.close())
  const exits = new VmExits({ source, directory, logger: silentLogger })
  const seen: ExitFact[] = []
  exits.exits$.subscribe((fact) => seen.push(fact))
  return { exits, directory, seen }
}

describe('an exit of a shim’s container', () => {
  it('is an exit file as conmon leaves it, at the time of the exit, and told of once', async () => {
    const { exits, directory, seen } = await open()
    exits.expect('c1')
    const first = firstValueFrom(exits.exits$)
    await exits.report('c1', 137, finishedNs)
    expect(await first).toEqual({ id: 'c1', code: 137, finished: '2023-11-14T22:13:20.250000000Z' })
    expect(readFileSync(`${directory}/c1`, 'utf8')).toBe('137')
    expect(statSync(`${directory}/c1`).mtimeMs).toBe(Number(finishedNs / 1_000_000n))
    expect(readdirSync(directory)).toEqual(['c1'])
    await exits.scan()
    expect(seen.map(({ id }) => id)).toEqual(['c1'])
    await exits.discard('c1')
    expect(readdirSync(directory)).toEqual([])
  })

  it('of a container that nobody expects any more leaves nothing', async () => {
    const { exits, directory, seen } = await open()
    exits.expect('c1')
    await exits.discard('c1')
    await exits.report('c1', 1, finishedNs)
    await exits.scan()
    expect([readdirSync(directory), seen]).toEqual([[], []])
  })

  it('is told of although the disk refuses its file, and only once when the disk takes it', async () => {
    const { exits, directory, seen } = await open()
    exits.expect('c1')
    exits.expect('c2')
    const both = firstValueFrom(exits.exits$.pipe(take(2), toArray()))
    // No file can be renamed over a directory.
    mkdirSync(`${directory}/c1`)
    writeFileSync(`${directory}/c1/x`, '')
    await exits.report('c1', 3, finishedNs)
    expect(seen).toEqual([{ id: 'c1', code: 3, finished: '2023-11-14T22:13:20.250000000Z' }])
    rmSync(`${directory}/c1`, { recursive: true })
    await expect.poll(() => readdirSync(directory), { timeout: factMaxMs }).toEqual(['c1'])
    // What follows it shows that it was not told of again.
    await exits.report('c2', 4, finishedNs)
    await both
    await exits.scan()
    expect(seen.map(({ id, code }) => [id, code])).toEqual([
      ['c1', 3],
      ['c2', 4],
    ])
  })
})
