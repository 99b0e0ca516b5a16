import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  joinLogLines,
  readContainerLog,
  type LogDefect,
  type LogRecord,
  type ReadLogOptions,
} from '../../src/container-log/index.ts'
import { makeTempRoot } from '../support/temp-root.ts'

const root = makeTempRoot()
let logs = 0

function logWith(text: string): string {
  logs += 1
  const path = `${root}/log-${logs}`
  writeFileSync(path, text)
  return path
}

/** Second `n` of one minute. */
function time(n: number): string {
  return `2020-11-23T13:03:${String(n).padStart(2, '0')}.000000000+00:00`
}

/** One line per word: `1:stdout:F:text`. */
function lines(...words: readonly string[]): string {
  return words
    .map((word) => word.split(':'))
    .map(([n, stream, tag, text]) => `${time(Number(n))} ${stream} ${tag} ${text}\n`)
    .join('')
}

async function collect(entries: AsyncIterable<LogRecord>): Promise<LogRecord[]> {
  const all: LogRecord[] = []
  for await (const entry of entries) all.push(entry)
  return all
}

async function read(path: string, options?: ReadLogOptions): Promise<string[]> {
  const records = await collect(readContainerLog(path, options))
  return records.map(textOf)
}

function textOf(record: LogRecord): string {
  return record.type === 'lost' ? `lost ${record.lostBytes}` : record.content.toString()
}

async function errorOf(path: string, options?: ReadLogOptions): Promise<unknown> {
  return read(path, options).then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  )
}

/** The next entry's content, or what was lost. */
async function nextText(entries: AsyncIterator<LogRecord>): Promise<string | undefined> {
  const result = await entries.next()
  return result.done === true ? undefined : textOf(result.value)
}

function openDescriptors(path: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith(path) ? [target] : []
    } catch {
      return []
    }
  })
}

describe('readContainerLog', () => {
  it('gives every entry as it was written, whatever its bytes', async () => {
    const content = Buffer.from([0, 255, 254, 13, 9, 0x80])
    const path = logWith('')
    appendFileSync(path, Buffer.concat([Buffer.from(`${time(1)} stderr F `), content, Buffer.from('\n')]))
    expect(await collect(readContainerLog(path))).toEqual([
      { at: time(1), stream: 'stderr', partial: false, content },
    ])
  })

  it('passes over garbage and tells of it, and keeps the rest of a torn last line', async () => {
    const path = logWith(`${lines('1:stdout:F:a')}garbage\n${lines('2:stdout:F:b')}${time(3)} stdout F c`)
    const defects: LogDefect[] = []
    expect(await read(path, { onDefect: (defect) => defects.push(defect) })).toEqual(['a', 'b', 'c'])
    expect(defects).toEqual([{ kind: 'format', bytes: Buffer.from('garbage') }])
  })

  it('selects by time, whatever the offsets, and by stream', async () => {
    const path = logWith(
      lines('1:stdout:F:a', '2:stderr:F:b', '3:stdout:F:c') +
        `2020-11-23T14:03:04.5+01:00 stdout F d\n${lines('5:stdout:F:e')}`,
    )
    expect(await read(path, { since: '2020-11-23T13:03:02Z', until: time(5) })).toEqual(['b', 'c', 'd'])
    expect(await read(path, { since: new Date('2020-11-23T13:03:04.500Z') })).toEqual(['d', 'e'])
    expect(await read(path, { since: '2020-11-23T13:03:04.500000001Z' })).toEqual(['e'])
    expect(await read(path, { streams: ['stderr'] })).toEqual(['b'])
  })

  it.each<[number, string[]]>([
    [0, []],
    [1, ['e1', 'e2']],
    [2, ['d', 'e1', 'e2']],
    [3, ['b1', 'b2', 'd', 'e1', 'e2']],
    [4, ['b1', 'c', 'b2', 'd', 'e1', 'e2']],
    [5, ['a', 'b1', 'c', 'b2', 'd', 'e1', 'e2']],
    [99, ['a', 'b1', 'c', 'b2', 'd', 'e1', 'e2']],
  ])('gives the last %s lines, with all their parts and nothing else', async (tail, expected) => {
    const path = logWith(
      lines('1:stdout:F:a', '2:stdout:P:b1', '3:stderr:F:c', '4:stdout:F:b2', '5:stderr:F:d') +
        lines('6:stdout:P:e1', '7:stdout:P:e2'),
    )
    expect(await read(path, { tail })).toEqual(expected)
  })

  it('counts for the tail only what is selected', async () => {
    const path = logWith(lines('1:stdout:F:a', '2:stdout:F:b', '3:stderr:F:c', '4:stderr:F:d'))
    expect(await read(path, { tail: 1, streams: ['stdout'] })).toEqual(['b'])
    expect(await read(path, { tail: 1, until: time(4) })).toEqual(['c'])
  })

  it('finds the same tail as one who reads everything, over many blocks', async () => {
    const word = fc.record({
      stream: fc.constantFrom('stdout', 'stderr'),
      tag: fc.constantFrom('F', 'F', 'P'),
      sizeBytes: fc.oneof({ arbitrary: fc.nat(50), weight: 9 }, fc.integer({ min: 60_000, max: 64_000 })),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(word, { maxLength: 30 }),
        fc.integer({ min: 1, max: 12 }),
        async (words, tail) => {
          const text = words.map(
            ({ stream, tag, sizeBytes }, index) =>
              `${time(1)} ${stream} ${tag} ${index}-${'x'.repeat(sizeBytes)}\n`,
          )
          const path = logWith(text.join(''))
          const all = await collect(joinLogLines(readContainerLog(path), { lineMaxBytes: 1e9 }))
          const last = await collect(joinLogLines(readContainerLog(path, { tail }), { lineMaxBytes: 1e9 }))
          rmSync(path)
          expect(last.length).toBe(Math.min(tail, all.length))
          const expected = new Set(all.map(textOf))
          for (const record of last) expect(expected).toContain(textOf(record))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('finds the tail wherever the borders of blocks are', async () => {
    for (let shift = 0; shift < 130; shift += 1) {
      const path = logWith(lines('1:stdout:F:a', '2:stderr:F:b', `3:stdout:F:${'x'.repeat(65_430 + shift)}`))
      expect((await read(path, { tail: 2 })).map((text) => text.slice(0, 1))).toEqual(['b', 'x'])
      rmSync(path)
    }
  })

  it('reads the tail of a huge log without reading the log', async () => {
    const path = logWith('')
    const file = await open(path, 'r+')
    // Sparse: twenty gigabytes that nobody wrote.
    await file.truncate(20 * 1024 ** 3)
    await file.close()
    appendFileSync(path, `\n${lines('1:stdout:F:a', '2:stdout:F:b', '3:stdout:F:c', '4:stdout:F:d')}`)
    expect(await read(path, { tail: 3 })).toEqual(['b', 'c', 'd'])
    rmSync(path)
  })

  it.each<[string, (path: string) => void]>([
    ['a FIFO', (path) => execFileSync('mkfifo', [path])],
    ['a link', (path) => symlinkSync(logWith(''), path)],
    ['a directory', (path) => mkdirSync(path)],
  ])('refuses %s at once, also when following', async (_, make) => {
    const path = `${root}/odd-${(logs += 1)}`
    make(path)
    for (const follow of [false, true]) {
      expect(await errorOf(path, { follow })).toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        field: 'path',
        file: path,
      })
    }
    rmSync(path, { recursive: true })
  })

  it.each<[string, ReadLogOptions, string]>([
    ['tail', { tail: -1 }, 'tail'],
    ['tail', { tail: 1.5 }, 'tail'],
    ['since', { since: 'yesterday' }, 'since'],
    ['until', { until: new Date(Number.NaN) }, 'until'],
  ])('refuses a wrong %s', async (_, options, field) => {
    expect(await errorOf(logWith(''), options)).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field })
  })

  it('says that there is no log', async () => {
    expect(await errorOf(`${root}/none`)).toMatchObject({ code: 'ERR_IO', file: `${root}/none` })
  })

  it('holds nothing open when its reader leaves', async () => {
    const path = logWith(lines('1:stdout:F:a', '2:stdout:F:b'))
    for await (const entry of readContainerLog(path, { follow: true })) {
      expect(textOf(entry)).toBe('a')
      expect(openDescriptors(path)).toEqual([path])
      break
    }
    expect(openDescriptors(path)).toEqual([])
  })
})

describe('following', () => {
  it('gives what is written later, from the tail on', async () => {
    const path = logWith(lines('1:stdout:F:a', '2:stdout:F:b'))
    const entries = readContainerLog(path, { follow: true, tail: 1 })
    expect(await nextText(entries)).toBe('b')
    const next = nextText(entries)
    appendFileSync(path, lines('3:stderr:F:c'))
    expect(await next).toBe('c')
    appendFileSync(path, `${time(4)} stdout F d`)
    const torn = nextText(entries)
    appendFileSync(path, 'd\n')
    expect(await torn).toBe('dd')
    await entries.return?.()
  })

  it('waits for a log that is not there yet', async () => {
    const path = `${root}/late`
    const entries = readContainerLog(path, { follow: true })
    const next = nextText(entries)
    writeFileSync(`${path}.tmp`, lines('1:stdout:F:a'))
    renameSync(`${path}.tmp`, path)
    expect(await next).toBe('a')
    await entries.return?.()
  })

  it('loses nothing over a hundred rotations while it is read', async () => {
    const path = logWith('')
    const ended = Promise.withResolvers<void>()
    const reading = read(path, { follow: true, ended: ended.promise })
    const expected: string[] = []
    let file = await open(path, 'a')
    for (let rotation = 0; rotation < 100; rotation += 1) {
      for (let line = 0; line < 20; line += 1) {
        expected.push(`${rotation}-${line}`)
        await file.write(lines(`1:stdout:F:${rotation}-${line}`))
      }
      // As conmon and its embedder do it.
      renameSync(path, `${path}.${rotation}`)
      await file.write(lines(`1:stdout:F:late-${rotation}`))
      expected.push(`late-${rotation}`)
      await file.close()
      file = await open(`${path}.tmp`, 'w')
      renameSync(`${path}.tmp`, path)
      // Only a file that was seen while it had the name can be read.
      await waitForDescriptor(path, 2)
    }
    await file.write(lines('1:stdout:F:last'))
    expected.push('last')
    await file.close()
    ended.resolve()
    expect(await reading).toEqual(expected)
    expect(openDescriptors(path)).toEqual([])
  })

  it('keeps the files of several rotations for a reader that is slow', async () => {
    const path = logWith(lines('1:stdout:F:0', '1:stdout:F:0b'))
    const ended = Promise.withResolvers<void>()
    const entries = readContainerLog(path, { follow: true, ended: ended.promise })
    expect(await nextText(entries)).toBe('0')
    for (const n of [1, 2, 3]) {
      // Replaced as conmon replaces a log that is full: the old one is gone from the directory.
      writeFileSync(`${path}.tmp`, lines(`1:stdout:F:${n}`))
      renameSync(`${path}.tmp`, path)
      await waitForDescriptor(path)
    }
    ended.resolve()
    const rest = (await collect(entries)).map(textOf)
    // Two within a few turns of the loop could have had one between them.
    expect(rest.filter((text) => text !== 'lost undefined')).toEqual(['0b', '1', '2', '3'])
  })

  it('starts over with a log that was emptied in its place', async () => {
    const path = logWith(lines('1:stdout:F:a', '2:stdout:F:b'))
    const entries = readContainerLog(path, { follow: true })
    expect([await nextText(entries), await nextText(entries)]).toEqual(['a', 'b'])
    const next = nextText(entries)
    truncateSync(path, 0)
    appendFileSync(path, lines('3:stdout:F:c'))
    expect([await next, await nextText(entries)]).toEqual(['lost undefined', 'c'])
    await entries.return?.()
  })

  it('ends with the last entry when the container has ended', async () => {
    const path = logWith(lines('1:stdout:F:a'))
    const ended = Promise.withResolvers<void>()
    const reading = read(path, { follow: true, ended: ended.promise })
    appendFileSync(path, `${lines('2:stdout:F:b')}${time(3)} stdout F torn`)
    ended.resolve()
    expect(await reading).toEqual(['a', 'b', 'torn'])
    expect(await read(path, { follow: true, ended: Promise.reject(new Error('unknown')) })).toEqual([
      'a',
      'b',
      'torn',
    ])
  })

  it('ends when the clock has passed `until`', async () => {
    const path = logWith(lines('1:stdout:F:a'))
    const until = new Date(Date.now() + 700)
    expect(await read(path, { follow: true, until, since: new Date(0) })).toEqual(['a'])
    expect(Date.now()).toBeGreaterThanOrEqual(until.getTime())
  })

  it('ends at once, without an error, when it is aborted', async () => {
    const path = logWith(lines('1:stdout:F:a'))
    const abort = new AbortController()
    const entries = readContainerLog(path, { follow: true, signal: abort.signal })
    expect(await nextText(entries)).toBe('a')
    const next = nextText(entries)
    abort.abort()
    expect(await next).toBeUndefined()
    expect(openDescriptors(path)).toEqual([])
    expect(await read(path, { follow: true, signal: abort.signal })).toEqual([])
  })

  it('returns at once while it waits for an entry', async () => {
    const path = logWith('')
    const entries = readContainerLog(path, { follow: true })
    const next = nextText(entries)
    await entries.return?.()
    expect(await next).toBeUndefined()
    expect(openDescriptors(path)).toEqual([])
  })

  it('says so when the log becomes something else', async () => {
    const path = logWith(lines('1:stdout:F:a'))
    const entries = readContainerLog(path, { follow: true })
    expect(await nextText(entries)).toBe('a')
    const next = nextText(entries)
    rmSync(path)
    symlinkSync(logWith(lines('1:stdout:F:secret')), path)
    await expect(next).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    expect(openDescriptors(path)).toEqual([])
  })
})

/** Until the file that has the name now is held open, so many times. */
async function waitForDescriptor(path: string, count = 1): Promise<void> {
  const endMs = performance.now() + 20_000
  while (openDescriptors(path).filter((target) => target === path).length < count) {
    if (performance.now() > endMs) throw new Error('the new file was not opened')
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
}
