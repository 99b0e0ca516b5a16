/**
 * The caller's streams tied to those of a command. They get listeners for as long as the command runs, and are never
 * ended or destroyed here. Deliberately not here: what a caller's leaving means for the command.
 */
import { finished, Transform, type Readable, type Writable } from 'node:stream'
import type { Clock } from '../surroundings/clock.ts'

/**
 * What the caller types, until `over`; its end ends `sink`. `left` when it breaks off instead of ending, or gives what no
 * command can read.
 */
export function tieInput(source: Readable, sink: Writable, over: Promise<unknown>, left: () => void): void {
  const forget = finished(source, { writable: false }, (error) => {
    if (error !== undefined && error !== null) left()
  })
  source.on('error', ignoreError)
  const entry = source.readableObjectMode ? bytesInto(sink, left) : sink
  source.pipe(entry)
  const untie = (): void => {
    forget()
    source.unpipe(entry)
    source.off('error', ignoreError)
  }
  void over.then(untie)
}

/**
 * A stream of objects may be one of text, as `Readable.from` makes it. One of anything else would be the end of `sink`,
 * and the command would take what it has read so far for all of it.
 */
function bytesInto(sink: Writable, refused: () => void): Writable {
  const bytes = new Transform({
    writableObjectMode: true,
    transform(chunk: unknown, _encoding, done) {
      if (typeof chunk === 'string' || ArrayBuffer.isView(chunk)) done(null, chunk)
      else done(new TypeError('neither bytes nor text'))
    },
  })
  bytes.once('error', refused).pipe(sink)
  return bytes
}

export interface TiedOutput {
  /** Resolves when everything is written, or nothing could be for `stallMs`: then the rest is read and thrown away. */
  written(clock: Clock, stallMs: number): Promise<void>
}

/** Everything of `source` into `target`, as fast as it takes it; read and thrown away once its owner has ended it (`left`). */
export function tieOutput(source: Readable, target: Writable, left: () => void): TiedOutput {
  let chunks = 0
  let isGone = false
  const { promise: gone, resolve } = Promise.withResolvers<undefined>()
  const leave = (): void => {
    isGone = true
    resolve(undefined)
  }
  const forget = finished(target, { readable: false }, () => {
    leave()
    left()
  })
  target.on('error', ignoreError)
  const pump = async (): Promise<void> => {
    let last: Promise<unknown> = Promise.resolve()
    for await (const chunk of source) {
      if (isGone) continue
      const { promise: taken, resolve: take } = Promise.withResolvers<undefined>()
      last = taken
      const hasRoom = target.write(chunk, () => {
        chunks += 1
        take(undefined)
      })
      // Not `drain`: it may never come to a stream that is ended under us.
      if (!hasRoom) await Promise.race([taken, gone])
    }
    await Promise.race([last, gone])
  }
  const over = pump()
    // A command's stream breaks by its end only, of which its exit tells.
    .catch(() => undefined)
    .finally(() => {
      forget()
      target.off('error', ignoreError)
    })
  return {
    written: async (clock, stallMs) => {
      let seen = chunks
      let timer: unknown
      const look = (): void => {
        if (chunks === seen) return leave()
        seen = chunks
        timer = clock.setTimeout(look, stallMs)
      }
      timer = clock.setTimeout(look, stallMs)
      await Promise.race([over, gone])
      clock.clearTimeout(timer)
    },
  }
}

/** `finished` tells of it. */
function ignoreError(): void {
  // Without a listener Node would end the embedder's process.
}
