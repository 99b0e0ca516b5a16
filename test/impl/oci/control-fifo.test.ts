import { execFileSync } from 'node:child_process'
import { constants, mkdtempSync, openSync, closeSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { sendControlLine, type ControlLine } from '../../../src/impl/oci/control-fifo.ts'

const reopen: ControlLine = { kind: 'reopenLog' }
const resize = (columns: number): ControlLine => ({ kind: 'resize', columns, rows: 24 })

function directory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'fifo-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return dir
}

/** A FIFO with a reader that looks whenever it is told to. */
function openFifo(): { path: string; read: () => string; close: () => void } {
  const path = join(directory(), 'ctl')
  execFileSync('mkfifo', [path])
  let fd: number | undefined = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const buffer = Buffer.alloc(65_536)
  const close = () => {
    if (fd !== undefined) closeSync(fd)
    fd = undefined
  }
  onTestFinished(close)
  return {
    path,
    close,
    read: () => buffer.toString('latin1', 0, fd === undefined ? 0 : readSync(fd, buffer)),
  }
}

describe('sendControlLine', () => {
  it('writes one line at a time, with a pause between two', async () => {
    const { path, read } = openFifo()
    const writtenMs: number[] = []
    const sent = [resize(80), reopen].map(async (line) => {
      await sendControlLine(path, line, 'c')
      writtenMs.push(performance.now())
      return read()
    })
    expect(await Promise.all(sent)).toEqual(['1 24 80\n', '2 0 0\n'])
    // A reader has at least its time with the first one. Timers may be early by a millisecond.
    expect((writtenMs[1] ?? 0) - (writtenMs[0] ?? 0)).toBeGreaterThanOrEqual(18)
  })

  it('writes only the last of the sizes that wait, and every waiting one learns of it', async () => {
    const { path, read } = openFifo()
    const sizes = Array.from({ length: 1000 }, (_, index) => resize(index + 1))
    await Promise.all([reopen, ...sizes].map((line) => sendControlLine(path, line, 'c')))
    expect(read()).toBe('2 0 0\n1 24 1000\n')
  })

  it('takes up again after a rest', async () => {
    const { path, read } = openFifo()
    for (const columns of [80, 81, 82]) {
      await sendControlLine(path, resize(columns), 'c')
      expect(read()).toBe(`1 24 ${columns}\n`)
    }
  })

  it('says at once that nobody reads', async () => {
    const { path, close } = openFifo()
    close()
    const lost = { code: 'ERR_MONITOR_LOST', containerId: 'c' }
    await expect(sendControlLine(path, reopen, 'c')).rejects.toMatchObject(lost)
    await expect(sendControlLine(`${path}-none`, reopen, 'c')).rejects.toMatchObject(lost)
  })

  it('says that a reader does not read', async () => {
    const { path } = openFifo()
    const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
    writeFileSync(fd, Buffer.alloc(65_536))
    closeSync(fd)
    await expect(sendControlLine(path, reopen, 'c')).rejects.toMatchObject({ code: 'ERR_BUSY' })
  })

  it('writes to nothing but a FIFO', async () => {
    const path = join(directory(), 'ctl')
    writeFileSync(path, '')
    await expect(sendControlLine(path, reopen, 'c')).rejects.toMatchObject({ code: 'ERR_IO', file: path })
  })
})
