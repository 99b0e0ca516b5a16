import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { inTurn } from '../../../../src/impl/vm/streams/disk-turns.ts'
import type { LogFileSpec } from '../../../../src/impl/vm/streams/log-file.ts'
import { LogWriter } from '../../../../src/impl/vm/streams/log-writer.ts'
import { makeTempRoot } from '../../../support/temp-root.ts'
import { MessageLog, noAbort } from './stage.ts'

class Written {
  readonly logger = new MessageLog()
  readonly path: string
  readonly writer: LogWriter
  freed = 0

  constructor(spec: Partial<LogFileSpec> = {}, stallMaxMs?: number) {
    this.path = spec.path ?? join(makeTempRoot(), 'log')
    const onFree = (): void => void (this.freed += 1)
    this.writer = new LogWriter(
      { containerId: 'c1', path: this.path, sizeMaxBytes: -1, ...spec },
      { logger: this.logger, onFree, stallMaxMs },
    )
    onTestFinished(() => this.writer.close())
  }

  static async open(spec: Partial<LogFileSpec> = {}, stallMaxMs?: number): Promise<Written> {
    const written = new Written(spec, stallMaxMs)
    await written.writer.open()
    return written
  }

  async push(text: string): Promise<void> {
    this.writer.push('stdout', Buffer.from(text))
    while (this.writer.isBusy) await new Promise((resolve) => setTimeout(resolve, 1))
  }

  /** Without the times. */
  lines(): string[] {
    const text = readFileSync(this.path, 'latin1')
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => line.slice(line.indexOf(' ') + 1))
  }
}

describe('a log at its size limit', () => {
  it('is begun anew with a whole line, never larger, and who reads the old one has it to its end', async () => {
    const written = await Written.open({ sizeMaxBytes: 8192 })
    const first = statSync(written.path).ino
    const seen = new Set<number>([first])
    for (let line = 0; line < 400; line += 1) {
      await written.push(`line ${line} ${' '.repeat(100)}\n`)
      const { size, ino } = statSync(written.path)
      expect(size).toBeLessThanOrEqual(8192)
      seen.add(ino)
    }
    expect(seen.size).toBeGreaterThan(1)
    expect(statSync(written.path).mode & 0o777).toBe(0o600)
    expect(existsSync(`${written.path}.tmp`)).toBe(false)
    expect(written.lines().at(-1)).toMatch(/^stdout F line 399 /)
    expect(written.lines()[0]).toMatch(/^stdout F line \d+ /)
    expect(written.writer.lostBytes).toBe(0)
  })

  it('stays below it over a hundred restarts', async () => {
    const path = join(makeTempRoot(), 'log')
    for (let restart = 0; restart < 100; restart += 1) {
      const { writer } = await Written.open({ path, sizeMaxBytes: 8192 })
      writer.push('stdout', Buffer.from(`${'x'.repeat(500)}\n`))
      await writer.close()
      expect(statSync(path).size).toBeLessThanOrEqual(8192)
    }
    expect(statSync(path).size).toBeGreaterThan(0)
  })

  it('takes a line that is longer than it, alone', async () => {
    const written = await Written.open({ sizeMaxBytes: 100 })
    await written.push(`a\n${'b'.repeat(200)}\nc\n`)
    expect(written.lines()).toEqual(['stdout F c'])
  })
})

describe('reopening a log', () => {
  it('goes on in a new file, and does nothing where the log is empty', async () => {
    const written = await Written.open()
    const { ino } = statSync(written.path)
    await written.writer.reopen(noAbort)
    expect(statSync(written.path).ino).toBe(ino)
    await written.push('old\n')
    renameSync(written.path, `${written.path}.1`)
    await written.writer.reopen(noAbort)
    await written.push('new\n')
    expect(written.lines()).toEqual(['stdout F new'])
    expect(readFileSync(`${written.path}.1`, 'utf8')).toMatch(/ stdout F old\n$/)
  })

  it.each<[string, (path: string) => void, RegExp]>([
    ['is being written', () => undefined, /rename it first/],
    [
      'is of somebody else',
      (path) => {
        renameSync(path, `${path}.1`)
        writeFileSync(path, 'precious')
      },
      /move it away/,
    ],
    [
      'is a link',
      (path) => {
        renameSync(path, `${path}.1`)
        symlinkSync('/dev/null', path)
      },
      /not a link/,
    ],
    [
      'is a directory',
      (path) => {
        renameSync(path, `${path}.1`)
        mkdirSync(path)
      },
      /regular file/,
    ],
  ])('refuses what %s, and the log goes on where it was', async (_what, spoil, message) => {
    const written = await Written.open()
    await written.push('one\n')
    const { ino } = statSync(written.path)
    spoil(written.path)
    const refused = written.writer.reopen(noAbort)
    await expect(refused).rejects.toThrow(message)
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'logPath',
      containerId: 'c1',
    })
    await written.push('two\n')
    const current = [written.path, `${written.path}.1`].find(
      (path) => existsSync(path) && statSync(path).ino === ino,
    )
    expect(readFileSync(current ?? '', 'utf8')).toMatch(/ F one\n.* F two\n$/)
  })

  it('is given up with the signal, and when the log is closed', async () => {
    const written = await Written.open()
    await expect(written.writer.reopen(AbortSignal.abort())).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await written.writer.close()
    await expect(written.writer.reopen(noAbort)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})

describe('a log that was there before', () => {
  const stamp = '2026-11-23T13:03:21.123456789+00:00'

  it.each([
    ['within a line', `${stamp} stdout F whole\n${stamp} stdout F to`, ['whole', 'to']],
    ['within the head of a line', `${stamp} stdout F whole\n2026-11`, ['whole']],
    ['within the first line', `${stamp} stdout F to`, ['to']],
    ['with a whole line', `${stamp} stdout P whole\n`, ['whole']],
  ])('and ends %s is gone on with in a line of its own', async (_where, text, contents) => {
    const path = join(makeTempRoot(), 'log')
    writeFileSync(path, text)
    const written = await Written.open({ path })
    await written.push('next\n')
    expect(written.lines().map((line) => line.slice('stdout F '.length))).toEqual([...contents, 'next'])
  })

  it.each<[string, (path: string) => void]>([
    ['a link', (path) => symlinkSync('/tmp', path)],
    ['a directory', (path) => mkdirSync(path)],
  ])('but is %s is refused', async (_what, make) => {
    const path = join(makeTempRoot(), 'log')
    make(path)
    await expect(new Written({ path }).writer.open()).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'logPath',
    })
  })

  it('and is made shorter by somebody else is gone on with at its new end', async () => {
    const written = await Written.open()
    await written.push('one\n')
    truncateSync(written.path, 0)
    await written.push('two\n')
    expect(written.lines()).toEqual(['stdout F two'])
  })
})

describe('a disk that does not answer', () => {
  it('holds up the container for a moment, and then costs it output, which is counted and told', async () => {
    const written = await Written.open({}, 20)
    await written.push('begun')
    const { promise: hang, resolve: answer } = Promise.withResolvers<void>()
    const hanging = inTurn(statSync(join(written.path, '..')).dev, () => hang)
    written.writer.push('stdout', Buffer.from(' and'))
    expect(written.writer.isBusy).toBe(true)
    while (written.writer.isBusy) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(written.freed).toBeGreaterThan(0)
    for (let count = 0; count < 10; count += 1) written.writer.push('stdout', Buffer.from('lost\n'))
    expect(written.writer.isBusy).toBe(false)
    expect(written.logger.messages).toMatchObject([
      { level: 'error', fields: { containerId: 'c1', file: written.path } },
    ])
    const freed = written.freed
    answer()
    await hanging
    while (written.freed === freed) await new Promise((resolve) => setTimeout(resolve, 1))
    await written.push('goes on\n')
    expect(written.lines()).toEqual(['stdout P begun', 'stdout P  and', 'stdout F ', 'stdout F goes on'])
    expect(written.writer.lostBytes).toBe(50)
    expect(written.logger.messages.at(-1)).toMatchObject({ level: 'warn', fields: { lostBytes: 50 } })
  })

  it('keeps no log of another disk waiting', async () => {
    const written = await Written.open()
    const { promise: hang, resolve: answer } = Promise.withResolvers<void>()
    const hanging = inTurn(-1, () => hang)
    await written.push('said\n')
    expect(written.lines()).toEqual(['stdout F said'])
    answer()
    await hanging
  })
})
