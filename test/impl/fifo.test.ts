import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { FifoCapture, FifoEnd, readFifo, writeFifo } from '../../src/impl/fifo.ts'
import { makeTempRoot } from '../support/temp-root.ts'

function makeFifo(): string {
  const path = `${makeTempRoot()}/fifo`
  execFileSync('mkfifo', [path])
  return path
}

/** What somebody else at the other end wrote before he left. */
function written(text: string): FifoEnd {
  const path = makeFifo()
  const end = FifoEnd.toRead(path)
  const fd = openSync(path, 'w')
  writeSync(fd, text)
  closeSync(fd)
  return end
}

describe('a capture', () => {
  it('has what was written before it looked, up to the end', async () => {
    const capture = new FifoCapture(written('hello'), 100)
    expect(await capture.ended).toBe(true)
    expect(capture.bytes.toString()).toBe('hello')
    expect(capture.truncated).toBe(false)
  })

  it.each([
    [4, 'hell', true],
    [5, 'hello', false],
    [0, '', true],
  ])('keeps %i bytes', async (bytesMax, kept, truncated) => {
    const capture = new FifoCapture(written('hello'), bytesMax)
    await capture.ended
    expect([capture.bytes.toString(), capture.truncated]).toEqual([kept, truncated])
  })

  it('ends without the end when it is closed', async () => {
    const path = makeFifo()
    const end = FifoEnd.toRead(path)
    const fd = openSync(path, 'w')
    const capture = new FifoCapture(end, 1)
    capture.close()
    expect(await capture.ended).toBe(false)
    closeSync(fd)
  })
})

/** Those that keep the process alive. A pipe that is not being read does not. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}

describe('a readable FIFO', () => {
  it('keeps no process alive that never reads it', () => {
    const before = timers()
    const fifo = readFifo(written('unread'))
    fifo.endWhenQuiet(50)
    expect(timers()).toBe(before)
    fifo.stream.destroy()
  })

  it('is ended when it is quiet, and not while its reader lags behind', async () => {
    const path = makeFifo()
    const end = FifoEnd.toRead(path)
    const fd = openSync(path, 'w')
    const fifo = readFifo(end)
    const { stream } = fifo
    writeSync(fd, 'late')
    await once(stream, 'readable')
    fifo.endWhenQuiet(1)
    let ended = false
    stream.once('end', () => (ended = true))
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(ended).toBe(false)
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(stream, 'end')
    expect(Buffer.concat(chunks).toString()).toBe('late')
    closeSync(fd)
  })
})

describe('a writable FIFO', () => {
  it("ends the reader's input when it is ended", async () => {
    const path = makeFifo()
    const end = FifoEnd.toWrite(path)
    const fd = openSync(path, 'r')
    const reader = spawn('cat', [], { stdio: [fd, 'pipe', 'ignore'] })
    closeSync(fd)
    const ended = once(reader, 'close')
    const said: string[] = []
    reader.stdout?.on('data', (chunk: Buffer) => said.push(chunk.toString()))
    writeFifo(end).end('bye')
    await ended
    expect(said.join('')).toBe('bye')
  })

  it('that is abandoned leaves nothing open', () => {
    const path = makeFifo()
    const end = FifoEnd.toWrite(path)
    end.abandon()
    expect(() => end.take()).toThrow('taken already')
  })
})
