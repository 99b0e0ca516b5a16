import {
  appendFileSync,
  closeSync,
  openSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readContainerLog, type LogRecord, type ReadLogOptions } from '../../src/container-log/index.ts'
import { allOf } from '../support/log-entries.ts'
import { makeTempRoot } from '../support/temp-root.ts'

const root = makeTempRoot()
let logs = 0

function logWith(text: string): string {
  const path = `${root}/lost-${(logs += 1)}`
  writeFileSync(path, text)
  return path
}

/** A line of each word; no two of a test have the same time. */
let ns = 0
function lines(...words: readonly string[]): string {
  return words
    .map((word) => `2026-11-23T13:03:21.${String((ns += 1)).padStart(9, '0')}Z stdout F ${word}\n`)
    .join('')
}

function textOf(record: LogRecord): string {
  return record.type === 'lost' ? `lost ${record.lostBytes}` : record.content.toString().slice(0, 20)
}

async function read(path: string, options?: ReadLogOptions): Promise<string[]> {
  return (await allOf(readContainerLog(path, options))).map(textOf)
}

/** A follower, its next records, and an end that takes the rest. */
function follow(path: string, options: ReadLogOptions = {}) {
  const ended = Promise.withResolvers<void>()
  const records = readContainerLog(path, { follow: true, ended: ended.promise, ...options })
  onTestFinished(async () => {
    await records.return?.()
  })
  const next = async (): Promise<string> => {
    const result = await records.next()
    return result.done === true ? 'end' : textOf(result.value)
  }
  return {
    next,
    take: async (count: number) => {
      const texts: string[] = []
      while (texts.length < count) texts.push(await next())
      return texts
    },
    rest: async () => {
      ended.resolve()
      return (await allOf(records)).map(textOf)
    },
  }
}

/** As conmon replaces a log that is full. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text)
  renameSync(`${path}.tmp`, path)
}

/** A writer that keeps its offset, as conmon does once it has made its log anew. */
function writerAtOffset(path: string) {
  const fd = openSync(path, 'w')
  onTestFinished(() => closeSync(fd))
  return (text: string) => void writeSync(fd, text)
}

describe('a log that is replaced', () => {
  it('goes on without a word when each file was seen', async () => {
    const path = logWith(lines('a'))
    const log = follow(path)
    expect(await log.next()).toBe('a')
    for (const word of ['b', 'c', 'd', 'e']) {
      const next = log.next()
      replace(path, lines(word))
      expect(await next).toBe(word)
      // Known for certain once the loop has turned.
      for (let turn = 0; turn < 50; turn += 1) await setImmediate()
    }
    expect(await log.rest()).toEqual([])
  })

  it('has lost what a file held that came and went unseen', async () => {
    const path = logWith(lines('a'))
    const log = follow(path)
    expect(await log.next()).toBe('a')
    const next = log.next()
    replace(path, lines('b'))
    replace(path, lines('c'))
    expect([await next, await log.next()]).toEqual(['lost undefined', 'c'])
    expect(await log.rest()).toEqual([])
  })

  it('has lost what came and went while as many files waited as may be open', async () => {
    const path = logWith(lines('0', '0b'))
    const log = follow(path)
    expect(await log.next()).toBe('0')
    for (let n = 1; n <= 40; n += 1) {
      replace(path, lines(String(n)))
      for (let turn = 0; turn < 200; turn += 1) await setImmediate()
    }
    const rest = await log.rest()
    expect(rest[0]).toBe('0b')
    expect(rest.at(-1)).toBe('40')
    // Each number follows the one before it, or is behind a place where lines were lost.
    const numbers = rest.flatMap((text, index) => (Number(text) > 0 ? [{ number: Number(text), index }] : []))
    const unsaid = numbers.filter(({ number, index }, nth) => {
      const before = numbers[nth - 1]?.number ?? 0
      return number !== before + 1 && rest[index - 1] !== 'lost undefined'
    })
    expect(unsaid).toEqual([])
    expect(rest).toContain('lost undefined')
  })

  it('has lost what was in a file that was renamed, made anew and replaced before it was seen', async () => {
    const path = logWith(lines('a'))
    const log = follow(path)
    expect(await log.next()).toBe('a')
    const next = log.next()
    renameSync(path, `${path}.1`)
    writeFileSync(path, lines('b'))
    replace(path, lines('c'))
    expect([await next, await log.next()]).toEqual(['lost undefined', 'c'])
  })

  it('goes on without a word when it was renamed and made anew', async () => {
    const path = logWith(lines('a'))
    const log = follow(path)
    expect(await log.next()).toBe('a')
    const next = log.next()
    renameSync(path, `${path}.1`)
    replace(path, lines('b'))
    expect(await next).toBe('b')
    expect(await log.rest()).toEqual([])
  })

  it('says that lines may be lost where nobody could count its files', async () => {
    const path = logWith(lines('a'))
    const log = follow(path)
    expect(await log.next()).toBe('a')
    const next = log.next()
    // Too much else happens in its directory.
    for (let n = 0; n < 600; n += 1) makeAndUnlink(`${path}.other`)
    for (let turn = 0; turn < 50; turn += 1) await setImmediate()
    replace(path, lines('b'))
    expect([await next, await log.next()]).toEqual(['lost undefined', 'b'])
  })
})

function makeAndUnlink(path: string): void {
  writeFileSync(path, '')
  unlinkSync(path)
}

describe('a log that is emptied in its place', () => {
  it('may have lost lines, which is told before the first new one', async () => {
    const path = logWith(lines('a', 'b'))
    const log = follow(path)
    expect(await log.take(2)).toEqual(['a', 'b'])
    const next = log.next()
    truncateSync(path)
    appendFileSync(path, lines('c'))
    expect([await next, await log.next()]).toEqual(['lost undefined', 'c'])
    expect(await log.rest()).toEqual([])
  })

  it('is told to have lost lines when nothing is written any more', async () => {
    const path = logWith(lines('a'))
    const log = follow(path)
    expect(await log.next()).toBe('a')
    truncateSync(path)
    expect(await log.rest()).toEqual(['lost undefined'])
  })

  it.each([
    ['as long', ['new1', 'new2']],
    ['longer', ['new1', 'new2', 'new3', 'new4']],
  ])('is read from its beginning when it has grown %s as it was before', async (_, words) => {
    const path = logWith(lines('old1', 'old2'))
    const log = follow(path)
    expect(await log.take(2)).toEqual(['old1', 'old2'])
    truncateSync(path)
    appendFileSync(path, lines(...words))
    expect(await log.rest()).toEqual(['lost undefined', ...words])
  })

  it('is noticed though every line has the same length and content', async () => {
    const word = 'x'.repeat(8000)
    const path = logWith(lines(word, word, word))
    const log = follow(path)
    await log.take(3)
    truncateSync(path)
    appendFileSync(path, lines(word, word, word, word))
    expect(await log.rest()).toHaveLength(1 + 4)
  })

  it('is noticed by one who began at its last lines', async () => {
    const path = logWith(lines('old1', 'old2'))
    const log = follow(path, { tail: 1 })
    expect(await log.next()).toBe('old2')
    truncateSync(path)
    appendFileSync(path, lines('new1', 'new2', 'new3'))
    expect(await log.rest()).toEqual(['lost undefined', 'new1', 'new2', 'new3'])
  })

  it('has lost what was still to be read of it, to the byte, when it is not followed', async () => {
    const filler = Array.from({ length: 3000 }, () => 'x'.repeat(200))
    for (const refill of ['', lines(...filler, ...filler)]) {
      const text = lines(...filler)
      const path = logWith(text)
      const records = readContainerLog(path)
      let readBytes = lines('x'.repeat(200)).length
      await records.next()
      truncateSync(path)
      appendFileSync(path, refill)
      let lostBytes: number | undefined
      for await (const record of records) {
        if (record.type === 'lost') lostBytes = record.lostBytes
        else readBytes += record.partial ? 0 : lines('x'.repeat(200)).length
      }
      expect(lostBytes).toBeGreaterThan(0)
      // But for the line that it was in the middle of.
      expect(text.length - readBytes - (lostBytes ?? 0)).toBeLessThan(300)
    }
  })
})

describe('a hole that a writer leaves which keeps its offset', () => {
  it('loses nothing of what was read before', async () => {
    const path = logWith('')
    const write = writerAtOffset(path)
    write(lines('a', 'b'))
    const log = follow(path)
    expect(await log.take(2)).toEqual(['a', 'b'])
    truncateSync(path)
    write(lines('c'))
    expect(await log.rest()).toEqual(['c'])
  })

  it('loses what was not read, to the byte', async () => {
    const path = logWith('')
    const write = writerAtOffset(path)
    write(lines('a'))
    const log = follow(path)
    expect(await log.next()).toBe('a')
    const unread = lines('lost1', 'lost2')
    write(unread)
    truncateSync(path)
    write(lines('c'))
    expect(await log.rest()).toEqual([`lost ${unread.length}`, 'c'])
  })

  it('loses the rest of a line, whose beginning is handed on', async () => {
    const path = logWith('')
    const write = writerAtOffset(path)
    write(`${lines('a')}${lines('torn').slice(0, -1)}`)
    const log = follow(path)
    expect(await log.next()).toBe('a')
    const next = log.next()
    for (let turn = 0; turn < 50; turn += 1) await setImmediate()
    write(' end\n')
    truncateSync(path)
    write(lines('c'))
    const texts = [await next, ...(await log.rest())]
    expect([
      ['torn', 'lost 5', 'c'],
      ['torn end', 'c'],
    ]).toContainEqual(texts)
  })

  it('is told, and the line behind it is read, by one who comes later', async () => {
    const path = logWith('')
    const write = writerAtOffset(path)
    const gone = lines('a', 'b')
    write(gone)
    truncateSync(path)
    write(lines('c', 'd'))
    expect(await read(path)).toEqual([`lost ${gone.length}`, 'c', 'd'])
    expect(await read(path, { tail: 2 })).toEqual(['c', 'd'])
    expect(await read(path, { tail: 1 })).toEqual(['d'])
    expect(await read(path, { tail: 9, streams: ['stdout'] })).toEqual(['c', 'd'])
  })

  it.each([100, 65_536 - 40, 65_536, 200_000, 3 * 1024 * 1024, 20 * 1024 ** 3])(
    'does not hide the last lines when it has %d bytes',
    async (sizeBytes) => {
      const path = logWith('')
      truncateSync(path, sizeBytes)
      appendFileSync(path, lines('c', 'd'))
      expect(await read(path, { tail: 3 })).toEqual(['c', 'd'])
      expect(await read(path, { tail: 1 })).toEqual(['d'])
    },
  )

  it('is no beginning of a line where zeros are content', async () => {
    const forged = lines('forged').slice(0, -1)
    const path = logWith(lines('a'))
    appendFileSync(path, `${lines(`b${'\0'.repeat(70_000)}${forged}`)}${lines('x'.repeat(60_000))}`)
    expect((await read(path, { tail: 2 })).map((text) => text.slice(0, 1))).not.toContain('f')
  })
})

describe('a byte order mark', () => {
  it('does not hide the first line', async () => {
    const path = logWith(`\uFEFF${lines('a', 'b')}`)
    expect(await read(path)).toEqual(['a', 'b'])
    expect(await read(path, { tail: 2 })).toEqual(['a', 'b'])
    expect(await read(path, { tail: 1 })).toEqual(['b'])
  })
})
