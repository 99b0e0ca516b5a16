/**
 * The lines of a file that a container has chosen, content and size. Read a few KiB at a time and not kept, so that neither
 * the event loop nor the memory tells how large it is.
 */
import type { FileHandle } from 'node:fs/promises'
import { OciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { inSlices, type Stepwise } from '../../surroundings/slices.ts'

/** A file beyond these limits is refused. */
const scannedMaxBytes = 4_194_304
const scannedLinesMax = 100_000
/** Of a group with 20,000 members, say. */
const scannedLineMaxBytes = 262_144

const chunkBytes = 16_384
const linesPerStep = 256

/**
 * Calls `take` for each line until it is true. Lines are Latin-1, a character a byte, whatever the file's encoding is.
 * ERR_INVALID_ARGUMENT with the `file`, ERR_IO.
 */
export async function scanLines(
  handle: FileHandle,
  file: string,
  take: (line: string) => boolean,
): Promise<void> {
  const lines = new Lines(file, take)
  const buffer = Buffer.allocUnsafe(chunkBytes)
  for (;;) {
    const bytesRead = await readChunk(handle, buffer, file)
    const chunk = buffer.toString('latin1', 0, bytesRead)
    if (await inSlices(bytesRead === 0 ? lines.end() : lines.add(chunk))) return
  }
}

async function readChunk(handle: FileHandle, buffer: Buffer, file: string): Promise<number> {
  try {
    return (await handle.read(buffer, 0, buffer.length)).bytesRead
  } catch (error) {
    throw ioError('read', file, error)
  }
}

class Lines {
  readonly #file: string
  readonly #take: (line: string) => boolean
  #bytesCount = 0
  #linesCount = 0
  /** Of a line whose end has not come yet. */
  #begun: string[] = []
  #begunBytes = 0

  constructor(file: string, take: (line: string) => boolean) {
    this.#file = file
    this.#take = take
  }

  /** True when no more lines are wanted. */
  *add(chunk: string): Stepwise<boolean> {
    this.#bytesCount += chunk.length
    if (this.#bytesCount > scannedMaxBytes) throw this.#misfit(`is larger than ${scannedMaxBytes} bytes`)
    const lines = chunk.split('\n')
    const rest = lines.pop() ?? ''
    for (const [at, line] of lines.entries()) {
      if (at % linesPerStep === 0) yield
      if (this.#isTaken(line)) return true
    }
    this.#begin(rest)
    return false
  }

  /** The last line may have no line feed. */
  *end(): Stepwise<true> {
    yield
    this.#isTaken('')
    return true
  }

  #isTaken(end: string): boolean {
    this.#linesCount += 1
    if (this.#linesCount > scannedLinesMax) throw this.#misfit(`has more than ${scannedLinesMax} lines`)
    if (this.#begun.length === 0) return this.#take(end)
    this.#begin(end)
    const line = this.#begun.join('')
    this.#begun = []
    this.#begunBytes = 0
    return this.#take(line)
  }

  #begin(part: string): void {
    if (part === '') return
    this.#begun.push(part)
    this.#begunBytes += part.length
    if (this.#begunBytes > scannedLineMaxBytes)
      throw this.#misfit(`has a line of more than ${scannedLineMaxBytes} bytes`)
  }

  #misfit(reason: string): OciError {
    return new OciError('ERR_INVALID_ARGUMENT', `${this.#file} ${reason}`, { file: this.#file })
  }
}
