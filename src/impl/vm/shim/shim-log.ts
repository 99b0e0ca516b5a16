/**
 * A shim's log: it writes to a FIFO called `log` in the bundle, which has to be there before it starts, with a reader, or
 * every call of it hangs. The lines go to our logger.
 */
import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { ioError } from '../../../files.ts'
import { untrackedFd } from '../../untracked-fd.ts'
import type { Logger } from '../../../surroundings/logger.ts'

/** Of one line; what is longer is cut. */
const lineMaxLength = 8192

export interface ShimLog {
  close(): void
}

type Level = keyof Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

/**
 * Reads what the shim says, from one start of it to the next: our own write end keeps the end from coming. Keeps no
 * process alive. Throws ERR_IO.
 */
export function readShimLog(path: string, containerId: string, logger: Logger): ShimLog {
  const socket = new Socket({ fd: openUntracked(path), readable: true, writable: false })
  let rest = ''
  socket
    .setEncoding('utf8')
    .on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = (lines.pop() ?? '').slice(0, lineMaxLength)
      for (const line of lines) if (line !== '') tell(line.slice(0, lineMaxLength), containerId, logger)
    })
    // Its words are of use, its end is not.
    .on('error', (err) => logger.debug({ containerId, err }, 'the log of a shim cannot be read'))
  socket.unref()
  return { close: () => void socket.destroy() }
}

function openUntracked(path: string): number {
  const flags = constants.O_RDWR | constants.O_NONBLOCK
  try {
    return untrackedFd(openSync(path, flags | constants.O_NOFOLLOW), flags)
  } catch (error) {
    throw ioError('open', path, error)
  }
}

function tell(line: string, containerId: string, logger: Logger): void {
  const { level, message } = parseShimLine(line)
  logger[level]({ containerId, shim: true }, message)
}

/** Logrus's text: `time="…" level=info msg="…" key=value`. Anything else is a line all the same. */
export function parseShimLine(line: string): { readonly level: Level; readonly message: string } {
  const [, word] = /(?:^| )level=(\w+)/.exec(line) ?? []
  const [, quoted] = /(?:^| )msg=("(?:[^"\\]|\\.)*"|\S+)/.exec(line) ?? []
  const rest = line.replace(/^time="[^"]*" level=\w+ msg=(?:"(?:[^"\\]|\\.)*"|\S+) ?/, '')
  const message =
    quoted === undefined ? line : [unquoted(quoted), rest].filter((part) => part !== '').join(' ')
  return { level: levels.get(word ?? '') ?? 'info', message }
}

const levels: ReadonlyMap<string, Level> = new Map<string, Level>([
  ['trace', 'debug'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['fatal', 'error'],
  ['panic', 'error'],
])

function unquoted(text: string): string {
  if (!text.startsWith('"')) return text
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' ? value : text
  } catch {
    // Go's quoting has a few escapes that JSON has not.
    return text.slice(1, -1)
  }
}
