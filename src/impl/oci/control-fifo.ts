/**
 * Control lines to a container's monitor, through the FIFO `ctl` in the bundle.
 *
 * conmon 2.1.6 handles only the first line of what one read gives it and drops the rest, a log reopening after a resize
 * included. So there is one queue per FIFO, one line per write, and a pause between two writes. That makes a loss rare and
 * not impossible (a busy conmon may be late by more than the pause): who has to be sure looks at the effect.
 *
 * A queue holds at most one line of each kind: a size that was not written yet is replaced by a newer one, and one
 * reopening serves all who wait for it. It exists only while there is something to write or to pause for.
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { OciError, errnoOf, isOciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'

export type ControlLine =
  | { readonly kind: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly kind: 'reopenLog' }

const pauseMs = 20

interface Waiting {
  line: ControlLine
  readonly written: PromiseWithResolvers<void>
}

/** By path, for all of this process: the pause belongs to the FIFO, whoever writes. */
const queues = new Map<string, Map<ControlLine['kind'], Waiting>>()

/**
 * Resolves when the line, or a newer one of its kind, has been written; what the monitor makes of it is not known then.
 * Rejects with ERR_MONITOR_LOST when no monitor reads the FIFO, ERR_BUSY when the monitor does not empty it, ERR_IO.
 */
export function sendControlLine(fifo: string, line: ControlLine, containerId: string): Promise<void> {
  const queue = queues.get(fifo) ?? new Map<ControlLine['kind'], Waiting>()
  const waiting = queue.get(line.kind) ?? { line, written: Promise.withResolvers<void>() }
  waiting.line = line
  queue.set(line.kind, waiting)
  if (!queues.has(fifo)) {
    queues.set(fifo, queue)
    void writeAll(fifo, queue, containerId)
  }
  return waiting.written.promise
}

async function writeAll(
  fifo: string,
  queue: Map<ControlLine['kind'], Waiting>,
  containerId: string,
): Promise<void> {
  for (const [kind, { line, written }] of queue) {
    // From here on a newer line of this kind is a line of its own.
    queue.delete(kind)
    try {
      await write(fifo, textOf(line))
      written.resolve()
    } catch (error) {
      written.reject(asControlError(error, fifo, containerId))
    }
    await delay(pauseMs, undefined, { ref: false })
  }
  queues.delete(fifo)
}

function textOf(line: ControlLine): string {
  return line.kind === 'resize' ? `1 ${line.rows} ${line.columns}\n` : '2 0 0\n'
}

/** Never waits for a reader: without one the open fails. (O_RDWR would succeed and hide a dead monitor.) */
async function write(fifo: string, text: string): Promise<void> {
  const handle = await open(fifo, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  try {
    if (!(await handle.stat()).isFIFO()) {
      throw new OciError('ERR_IO', `${fifo} must be a FIFO`, { file: fifo })
    }
    await handle.write(text)
  } finally {
    await handle.close()
  }
}

function asControlError(error: unknown, fifo: string, containerId: string): OciError {
  const details = { containerId, file: fifo, cause: error }
  const errno = errnoOf(error)
  if (errno === 'ENXIO' || errno === 'ENOENT' || errno === 'EPIPE') return monitorLost(containerId, details)
  if (errno === 'EAGAIN')
    return new OciError('ERR_BUSY', `the monitor of container ${containerId} does not read ${fifo}`, details)
  return isOciError(error) ? error : ioError('write', fifo, error)
}

export function monitorLost(
  containerId: string,
  details: { readonly file?: string; readonly cause?: unknown } = {},
): OciError {
  const message = `the monitor of container ${containerId} is gone: nobody can do that for it any more`
  return new OciError('ERR_MONITOR_LOST', message, { containerId, ...details })
}
