import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { SimulatedClock } from 'xstate'
import { openExitEvents } from '../../src/actors/exit-events.ts'
import type { ExitFact } from '../../src/impl/runtime-impl.ts'
import { deafWatch, inotifyInstances, openFixture, puppetWatch, temporaryDirectory } from './exit-fixture.ts'
import { eventually } from '../support/eventually.ts'

/** Lets time pass in steps that are no stall. What is begun meanwhile may take longer: files know no simulated time. */
async function pass(clock: SimulatedClock, forMs: number): Promise<void> {
  for (let leftMs = forMs; leftMs > 0; leftMs -= 100) {
    clock.increment(100)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The same until `holds`; how long that took at most. */
async function runUntil(clock: SimulatedClock, holds: () => boolean): Promise<number> {
  const beginMs = clock.now()
  while (!holds()) {
    await pass(clock, 100)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return clock.now() - beginMs
}

/** A stream that expects an exit in a directory in whose place a file is now. */
async function openBehindFile() {
  const clock = new SimulatedClock()
  const { directory, events, log } = await openFixture({ watch: deafWatch, clock })
  events.expect('a')
  await events.scan()
  await rm(directory, { recursive: true })
  await writeFile(directory, '')
  return { clock, directory, events, log }
}

describe('a watch that loses everything', () => {
  it('costs at most ten seconds when nobody waits', async () => {
    const clock = new SimulatedClock()
    const { events, exit, facts } = await openFixture({ watch: deafWatch, clock })
    events.expect('a')
    await events.scan()
    await exit('a', '1')
    await pass(clock, 1500)
    expect(facts).toEqual([])
    await pass(clock, 9000)
    await eventually(() => expect(facts).toHaveLength(1))
  })

  it('costs at most a second while somebody waits', async () => {
    const clock = new SimulatedClock()
    const { events, exit, facts } = await openFixture({ watch: deafWatch, clock })
    events.expect('a')
    events.urgent('a', true)
    await events.scan()
    await exit('a', '1')
    await pass(clock, 1500)
    await eventually(() => expect(facts).toHaveLength(1))
  })

  it('is scanned for at once when somebody begins to wait, and rarely again when nobody does any more', async () => {
    const clock = new SimulatedClock()
    const { events, exit, facts } = await openFixture({ watch: deafWatch, clock })
    events.expect('a')
    events.expect('b')
    await events.scan()
    await exit('a', '1')
    events.urgent('a', true)
    await eventually(() => expect(facts).toHaveLength(1))
    events.urgent('b', true)
    events.urgent('b', false)
    await events.scan()
    await exit('b', '1')
    expect(await runUntil(clock, () => facts.length > 1)).toBeGreaterThan(1500)
  })

  it('needs no timer when nothing is expected or nobody listens', async () => {
    const clock = new SimulatedClock()
    const timers = vi.spyOn(clock, 'setTimeout')
    const cleared = vi.spyOn(clock, 'clearTimeout')
    const { events, exit, facts } = await openFixture({ watch: deafWatch, clock })
    await events.scan()
    expect(timers).not.toHaveBeenCalled()
    events.expect('a')
    expect(timers).toHaveBeenCalledTimes(1)
    await exit('a', '1')
    await events.scan()
    expect(facts).toHaveLength(1)
    expect(cleared).toHaveBeenCalledTimes(1)
    clock.increment(100_000)
    expect(timers).toHaveBeenCalledTimes(1)
  })
})

describe('a watch that fails', () => {
  it('is set up again at once and exits that happened meanwhile are found', async () => {
    const clock = new SimulatedClock()
    const puppet = puppetWatch()
    const { events, exit, facts } = await openFixture({ watch: puppet.watch, clock })
    events.expect('a')
    await events.scan()
    clock.increment(1000)
    await events.scan()
    await exit('a', '4')
    puppet.listeners[0]?.failed(new Error('watch lost'))
    await eventually(() => expect(facts).toMatchObject([{ id: 'a', code: 4 }]))
    expect(puppet.listeners).toHaveLength(2)
    expect(puppet.closed).toBe(1)
    // The dead watch has no say any more.
    puppet.listeners[0]?.failed(new Error('again'))
    await events.scan()
    expect(puppet.closed).toBe(1)
  })

  it('again and again is set up once a second and complained of once; exits are found by scanning', async () => {
    const clock = new SimulatedClock()
    let watches = 0
    const { events, exit, facts, log } = await openFixture({
      clock,
      watch: (_directory, listener) => {
        watches += 1
        queueMicrotask(() => {
          listener.failed(new Error('watch lost'))
        })
        return { close: () => undefined }
      },
    })
    events.expect('a')
    await runUntil(clock, () => watches === 5)
    expect(clock.now()).toBeGreaterThanOrEqual(3500)
    await exit('a', '4')
    await pass(clock, 1500)
    await eventually(() => expect(facts).toHaveLength(1))
    expect(log).toHaveLength(1)
  })

  it('to start, for want of inotify watches, is made up for by a scan every second', async () => {
    const clock = new SimulatedClock()
    const { events, exit, facts, log } = await openFixture({
      clock,
      watch: () => {
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      },
    })
    events.expect('a')
    await events.scan()
    await exit('a', '4')
    await pass(clock, 1500)
    await eventually(() => expect(facts).toHaveLength(1))
    expect(log).toHaveLength(1)
  })

  it('to say which name changed starts a scan', async () => {
    const puppet = puppetWatch()
    const { events, exit, facts } = await openFixture({ watch: puppet.watch, clock: new SimulatedClock() })
    events.expect('a')
    await events.scan()
    await exit('a', '4')
    puppet.listeners[0]?.changed(null)
    await eventually(() => expect(facts).toHaveLength(1))
  })
})

// No scan but the first: only the watch's own word on the directory can set these right.
const onlyHints = { scanBusyMs: 3_600_000, scanIdleMs: 3_600_000 }

describe('a directory that is pulled away', () => {
  it('by deletion is made again, private, and watched again', async () => {
    const { directory, events, exit, facts } = await openFixture(onlyHints)
    events.expect('a')
    await events.scan()
    await rm(directory, { recursive: true })
    await eventually(() => expect(existsSync(directory)).toBe(true))
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    await events.scan()
    await exit('a', '6')
    await eventually(() => expect(facts).toMatchObject([{ id: 'a', code: 6 }]))
  })

  it('and put back by somebody else is watched again', async () => {
    const { directory, events, exit, facts } = await openFixture(onlyHints)
    for (const id of ['a', 'b', 'c']) {
      events.expect(id)
      await rm(directory, { recursive: true })
      await mkdir(directory, { recursive: true })
      await exit(id, '6')
      await eventually(() => expect(facts.at(-1)).toMatchObject({ id, code: 6 }))
      await events.scan()
    }
    expect(facts).toHaveLength(3)
  })

  it('by renaming is replaced by a new one', async () => {
    const { directory, events, exit, facts } = await openFixture(onlyHints)
    events.expect('a')
    await events.scan()
    await rename(directory, `${directory}.old`)
    await eventually(() => expect(existsSync(directory)).toBe(true))
    await events.scan()
    await exit('a', '6')
    await eventually(() => expect(facts).toMatchObject([{ id: 'a', code: 6 }]))
  })

  it('without a word from the watch is noticed by the next scan, although its inode number may be the same', async () => {
    const puppet = puppetWatch()
    const clock = new SimulatedClock()
    const { directory, events, exit, facts } = await openFixture({ watch: puppet.watch, clock })
    events.expect('a')
    await events.scan()
    await rm(directory, { recursive: true })
    await mkdir(directory)
    await events.scan()
    expect(puppet.listeners).toHaveLength(2)
    await exit('a', '6')
    puppet.listeners[1]?.changed('a')
    await eventually(() => expect(facts).toHaveLength(1))
  })

  it('and replaced by a file is an error of the scan, and put right within a second once the file is gone', async () => {
    const { clock, directory, events, log } = await openBehindFile()
    await expect(events.scan()).rejects.toMatchObject({ code: 'ERR_IO', file: directory })
    await runUntil(clock, () => log.length > 0)
    expect(log).toMatchObject([{ level: 'error' }])
    await rm(directory)
    await pass(clock, 1500)
    await eventually(() => expect(existsSync(directory)).toBe(true))
  })
})

describe('a directory that cannot be had', () => {
  it('is complained of once, and again only after it could be had', async () => {
    const clock = new SimulatedClock()
    const { directory, events, log } = await openFixture({ watch: deafWatch, clock })
    events.expect('a')
    events.urgent('a', true)
    await events.scan()
    for (const times of [1, 2]) {
      await rm(directory, { recursive: true })
      await writeFile(directory, '')
      for (let second = 0; second < 3; second += 1) {
        clock.increment(1000)
        await events.scan().catch(() => undefined)
      }
      expect(log.filter(({ level }) => level === 'error')).toHaveLength(times)
      await rm(directory)
      clock.increment(1000)
      await events.scan()
    }
  })

  it('costs an id that is expected then a look at its own file, and no scan', async () => {
    const { events, log } = await openBehindFile()
    events.expect('b')
    await eventually(() => expect(log).toHaveLength(1))
    expect(log).toMatchObject([{ level: 'warn', fields: { containerId: 'b', why: 'ENOTDIR' } }])
  })
})

describe('a stream that is closed', () => {
  it('waits for the looks and removals under way, tells of none, and refuses what comes later', async () => {
    const { events, exit, facts } = await openFixture({ watch: deafWatch })
    events.expect('a')
    await events.scan()
    await exit('a', '1')
    await exit('b', '1')
    const over: string[] = []
    const removal = events.discard('b').then(() => over.push('removed'))
    const closed = events.close().then(() => over.push('closed'))
    expect(events.close()).toBe(events.close())
    await Promise.all([removal, closed])
    expect([over, facts]).toEqual([['removed', 'closed'], []])
    await expect(events.scan()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(() => events.expect('c')).toThrow('closed')
  })
})

/** Another process, so that exits go on while the event loop of the test stands still. */
const writeExits = `
  const { renameSync, writeFileSync } = require('node:fs')
  const [directory, count, done] = process.argv.slice(1)
  process.stdin.once('data', () => {
    for (let index = 0; index < Number(count); index += 1) {
      const path = directory + '/c' + index
      writeFileSync(path + '.Ab12Cd', String(index % 256))
      renameSync(path + '.Ab12Cd', path)
    }
    writeFileSync(done, '')
  })
  console.log('ready')`

describe('a stall of the event loop', () => {
  it('during which more exits happen than inotify can queue loses none', async () => {
    const exits = 8000
    const done = join(await temporaryDirectory(), 'done')
    // The idle scan is out of the way: only the noticed stall makes up for what inotify dropped.
    const directory = join(await temporaryDirectory(), 'exits')
    const events = await openExitEvents({ directory, scanIdleMs: 3_600_000 })
    onTestFinished(() => events.close())
    // Expected before anybody listens: no look at a single file is still to come when the stall begins.
    for (let index = 0; index < exits; index += 1) events.expect(`c${index}`)
    const facts: ExitFact[] = []
    events.exits$.subscribe((fact) => facts.push(fact))
    await events.scan()
    const writer = spawn(process.execPath, ['-e', writeExits, directory, String(exits), done])
    onTestFinished(() => void writer.kill('SIGKILL'))
    await once(writer.stdout, 'data')
    writer.stdin.end('go')
    const stalledAtMs = performance.now()
    while (performance.now() - stalledAtMs < 2000 || !existsSync(done));
    await eventually(() => expect(facts).toHaveLength(exits))
    expect(new Set(facts.map((fact) => fact.id)).size).toBe(exits)
    expect(facts.every((fact) => fact.code === Number(fact.id.slice(1)) % 256)).toBe(true)
  }, 60_000)
})

describe('the cost of watching', () => {
  it('is one inotify instance in all, whatever happens to the directories', async () => {
    const first = await openFixture()
    const others = await Promise.all(Array.from({ length: 5 }, () => openFixture()))
    first.events.expect('a')
    for (let round = 0; round < 10; round += 1) {
      await rm(first.directory, { recursive: true })
      await first.events.scan()
    }
    expect(await inotifyInstances()).toEqual([others.length + 1])
  })
})
