import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { firstValueFrom } from 'rxjs'
import { describe, expect, it, vi } from 'vitest'
import { SimulatedClock } from 'xstate'
import { openExitEvents } from '../../src/actors/exit-events.ts'
import { deafWatch, inotifyInstances, openFixture, temporaryDirectory, writeExit } from './exit-fixture.ts'
import { eventually } from '../support/eventually.ts'

describe('the stream of exits', () => {
  it('reports code and time of an expected exit, to the nanosecond', async () => {
    const { directory, events, exit, facts } = await openFixture()
    events.expect('web')
    await exit('web', '137')
    await eventually(() => expect(facts).toHaveLength(1))
    const { mtimeNs } = await stat(join(directory, 'web'), { bigint: true })
    expect(facts[0]).toMatchObject({ id: 'web', code: 137 })
    const finished = facts[0]?.finished ?? ''
    expect(finished).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
    expect(
      BigInt(Date.parse(`${finished.slice(0, 19)}Z`)) * 1_000_000n + BigInt(finished.slice(20, 29)),
    ).toBe(mtimeNs)
  })

  it('reports an exit that happened before it was expected', async () => {
    const { events, exit, facts } = await openFixture({ watch: deafWatch })
    await exit('early', '3')
    await events.scan()
    expect(facts).toEqual([])
    events.expect('early')
    await eventually(() => expect(facts).toMatchObject([{ id: 'early', code: 3 }]))
  })

  it('reports an exit that a busy stream learns to expect, without waiting for a scan', async () => {
    const clock = new SimulatedClock()
    const { events, exit, facts } = await openFixture({ watch: deafWatch, clock })
    events.expect('other')
    await events.scan()
    await exit('early', '3')
    events.expect('early')
    await eventually(() => expect(facts).toMatchObject([{ id: 'early', code: 3 }]))
  })

  it('keeps an exit for whoever subscribes first, and gives a later subscriber only later ones', async () => {
    const directory = await temporaryDirectory()
    const events = await openExitEvents({ directory })
    events.expect('a')
    await writeExit(directory, 'a', '7')
    await events.scan()
    expect(await firstValueFrom(events.exits$)).toMatchObject({ id: 'a', code: 7 })
    events.expect('b')
    const next = firstValueFrom(events.exits$)
    await writeExit(directory, 'b', '8')
    expect(await next).toMatchObject({ id: 'b', code: 8 })
    await events.close()
  })

  it('reports an exit once, however often its file is written, seen and scanned', async () => {
    const { events, exit, facts } = await openFixture()
    events.expect('a')
    await exit('a', '1')
    await eventually(() => expect(facts).toHaveLength(1))
    await exit('a', '2')
    events.expect('a')
    await Promise.all([events.scan(), events.scan(), events.scan()])
    await events.scan()
    expect(facts).toMatchObject([{ id: 'a', code: 1 }])
  })

  it('leaves the files of ids it does not expect alone', async () => {
    const { directory, events, exit, facts } = await openFixture()
    events.expect('ours')
    await exit('theirs', '0')
    await exit('ours', '0')
    await eventually(() => expect(facts).toMatchObject([{ id: 'ours' }]))
    await events.discard('ours')
    await events.scan()
    expect(await readdir(directory)).toEqual(['theirs'])
    expect(facts).toHaveLength(1)
  })

  it("takes no notice of conmon's temporary names, and a dotted id is an id like any other", async () => {
    const { directory, events, ids } = await openFixture()
    events.expect('web')
    events.expect('db.backup')
    await writeFile(join(directory, 'web.A1b2C3'), '0')
    await writeFile(join(directory, 'db'), '0')
    await events.scan()
    expect(ids()).toEqual([])
    await writeFile(join(directory, 'db.backup'), '0')
    await eventually(() => expect(ids()).toEqual(['db.backup']))
  })

  it('refuses ids that would lead out of the directory', async () => {
    const { events } = await openFixture()
    expect(() => {
      events.expect('../etc/passwd')
    }).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'id' }))
    await expect(events.discard('..')).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'id' })
  })
})

describe('what an exit file holds', () => {
  it.each(['', '\n', 'x', '256', '1000', '-1', '1 ', ' 1', '0x1', '1\n\n', '1\n2', '1e2', '1\0', '٣'])(
    'is no exit when it is %j, until the file is complete',
    async (content) => {
      const { directory, events, facts, log } = await openFixture()
      events.expect('a')
      await writeFile(join(directory, 'a'), content)
      await events.scan()
      await events.scan()
      expect(facts).toEqual([])
      // Seen before it has its content, any of them is empty.
      const whys = ['empty', ...(content === '' ? [] : ['not a number from 0 to 255'])]
      expect(log.map(({ fields }) => fields)).toMatchObject([{ containerId: 'a' }])
      expect(whys).toContain(log[0]?.fields['why'])
      await writeFile(join(directory, 'a'), '42\n')
      await eventually(() => expect(facts).toMatchObject([{ id: 'a', code: 42 }]))
    },
  )

  it.each([
    ['0', 0],
    ['255', 255],
    ['7\n', 7],
  ])('is an exit when it is %j', async (content, code) => {
    const { events, exit, facts } = await openFixture()
    events.expect('a')
    await exit('a', content)
    await eventually(() => expect(facts).toMatchObject([{ id: 'a', code }]))
  })

  it('is never waited for: a FIFO, a link, a directory and a huge file hold up nobody and never count', async () => {
    const { directory, events, exit, facts, log } = await openFixture()
    const odd = ['fifo', 'link', 'huge', 'directory']
    await writeFile(join(directory, 'target'), '0')
    // More FIFOs than libuv has threads.
    const fifos = Array.from({ length: 8 }, (_, index) => `fifo${index}`)
    execFileSync('mkfifo', ['fifo', ...fifos], { cwd: directory })
    await symlink(join(directory, 'target'), join(directory, 'link'))
    await mkdir(join(directory, 'directory'))
    await writeFile(join(directory, 'huge'), '0')
    await truncate(join(directory, 'huge'), 10 * 2 ** 30)
    for (const id of [...odd, ...fifos]) events.expect(id)
    await events.scan()
    events.expect('good')
    await exit('good', '5')
    await eventually(() => expect(facts).toMatchObject([{ id: 'good', code: 5 }]))
    expect(log).toHaveLength(odd.length + fifos.length)
    expect(new Set(log.map((line) => line.fields['containerId']))).toEqual(new Set([...odd, ...fifos]))
    await Promise.all(fifos.map((id) => events.discard(id)))
    expect(existsSync(join(directory, 'fifo0'))).toBe(false)
  })
})

describe('discarding an exit', () => {
  it('removes the file, and does not mind when there is none', async () => {
    const { directory, events, exit, facts } = await openFixture()
    events.expect('a')
    await exit('a', '1')
    await eventually(() => expect(facts).toHaveLength(1))
    await events.discard('a')
    await events.discard('a')
    await events.discard('never-seen')
    expect(await readdir(directory)).toEqual([])
  })

  it('begins a new cycle: the next run of the id is reported again', async () => {
    const { events, exit, facts } = await openFixture()
    for (const code of [1, 2, 3]) {
      events.expect('a')
      await exit('a', String(code))
      await eventually(() => expect(facts.at(-1)).toMatchObject({ code }))
      await events.discard('a')
    }
    expect(facts.map((fact) => fact.code)).toEqual([1, 2, 3])
  })

  it('never lets the old exit be reported for the next run, however reads and removals interleave', async () => {
    const { events, exit, facts } = await openFixture()
    for (let round = 0; round < 200; round += 1) {
      const id = `c${round % 5}`
      events.expect(id)
      await exit(id, '9')
      // A read may be under way now; the id is given away and expected again under its feet.
      if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
      const before = facts.length
      const discarded = events.discard(id)
      events.expect(id)
      const scanned = events.scan()
      await Promise.all([discarded, scanned])
      await events.scan()
      expect(facts).toHaveLength(before)
      await events.discard(id)
    }
  })

  it('that fails says so, and what is left is not taken for the exit of the next run', async () => {
    const { directory, events, exit, facts, log } = await openFixture()
    events.expect('a')
    await exit('a', '1')
    await eventually(() => expect(facts).toHaveLength(1))
    // Not even root removes from a directory that is immutable; append-only forbids removal and renaming over.
    execFileSync('chattr', ['+a', directory])
    try {
      const discarded = events.discard('a')
      events.expect('a')
      // Neither while it is tried nor after it was given up.
      await events.scan()
      expect(facts).toHaveLength(1)
      await expect(discarded).rejects.toMatchObject({ code: 'ERR_IO', containerId: 'a' })
      await events.scan()
      expect(facts).toHaveLength(1)
      expect(log).toContainEqual(expect.objectContaining({ level: 'error' }))
    } finally {
      execFileSync('chattr', ['-a', directory])
    }
    await exit('a', '2')
    await eventually(() => expect(facts.at(-1)).toMatchObject({ code: 2 }))
    await events.discard('a')
    expect(await readdir(directory)).toEqual([])
  })

  it('twice is done in order: the second is not over while the first may still remove a file', async () => {
    const clock = new SimulatedClock()
    const { directory, events, exit } = await openFixture({ watch: deafWatch, clock })
    const over: string[] = []
    await exit('a', '1')
    const file = join(directory, 'a')
    execFileSync('chattr', ['+i', file])
    const timers = vi.spyOn(clock, 'setTimeout')
    const first = events.discard('a').then(() => over.push('first'))
    await eventually(() => expect(timers).toHaveBeenCalled())
    execFileSync('chattr', ['-i', file])
    const second = events.discard('a').then(() => over.push('second'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    clock.increment(20)
    await Promise.all([first, second])
    expect(over).toEqual(['first', 'second'])
  })

  it('leaves nothing behind after a thousand cycles', async () => {
    const { directory, events, exit, facts } = await openFixture()
    const run = async (id: string): Promise<void> => {
      events.expect(id)
      await exit(id, '0')
      await eventually(() => expect(facts.some((fact) => fact.id === id)).toBe(true))
      await events.discard(id)
    }
    for (let batch = 0; batch < 20; batch += 1)
      await Promise.all(Array.from({ length: 50 }, (_, index) => run(`c${batch}.${index}`)))
    expect(facts).toHaveLength(1000)
    expect(await readdir(directory)).toEqual([])
  })
})

describe('a subscriber that throws', () => {
  it('loses neither its own later exits nor those of others', async () => {
    const { events, exit, ids, log } = await openFixture()
    const heard: string[] = []
    events.exits$.subscribe((fact) => {
      heard.push(fact.id)
      throw new Error('no')
    })
    const heardAfter: string[] = []
    events.exits$.subscribe({ next: (fact) => heardAfter.push(fact.id) })
    events.expect('a')
    events.expect('b')
    await exit('a', '0')
    await eventually(() => expect(ids()).toEqual(['a']))
    await exit('b', '0')
    await eventually(() => expect(ids()).toEqual(['a', 'b']))
    expect(heard).toEqual(['a', 'b'])
    expect(heardAfter).toEqual(['a', 'b'])
    expect(log.filter((line) => line.message.includes('threw'))).toHaveLength(2)
  })
})

describe('a closed stream', () => {
  it('completes, releases its watch and keeps the files', async () => {
    const { directory, events, exit, facts } = await openFixture()
    let completed = false
    events.exits$.subscribe({
      complete: () => {
        completed = true
      },
    })
    events.expect('a')
    expect(await inotifyInstances()).toEqual([1])
    await Promise.all([events.close(), events.close()])
    expect(completed).toBe(true)
    expect(await inotifyInstances()).toEqual([0])
    await exit('a', '0')
    expect(await readdir(directory)).toEqual(['a'])
    expect(facts).toEqual([])
    expect(() => {
      events.expect('b')
    }).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
    await expect(events.scan()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await expect(events.discard('a')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})

describe('the directory', () => {
  it('is made for its owner alone', async () => {
    const { directory } = await openFixture()
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
  })

  it('that vanished unnoticed is there again when the first exit is expected', async () => {
    const { directory, events } = await openFixture({ watch: deafWatch, clock: new SimulatedClock() })
    await events.scan()
    await rm(directory, { recursive: true })
    events.expect('a')
    await eventually(() => expect(existsSync(directory)).toBe(true))
  })

  it('that cannot be had is an error at once', async () => {
    const base = await temporaryDirectory()
    await writeFile(join(base, 'file'), '')
    await expect(openExitEvents({ directory: join(base, 'file') })).rejects.toMatchObject({
      code: 'ERR_IO',
      file: join(base, 'file'),
    })
  })

  it('may be old: what counts is the time of the file', async () => {
    const { directory, events, facts } = await openFixture()
    await writeFile(join(directory, 'a'), '0')
    await utimes(join(directory, 'a'), 1, 1)
    events.expect('a')
    await eventually(() => expect(facts).toMatchObject([{ finished: '1970-01-01T00:00:01.000000000Z' }]))
  })
})
