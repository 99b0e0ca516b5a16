/**
 * A connection to a SEQPACKET socket. Node cannot make one; the native half of `node-unix-socket` can, and says when it is
 * readable. The reading is done here, with Node's own `read`, because that library's reading
 *
 * - knows no pause, and goes on within one turn for as long as there are messages: seconds, with a busy container;
 * - gives up at the first error, although messages still wait behind it: a peer that closes with input unread leaves
 *   ECONNRESET in front of its last output;
 * - aborts the process when the socket is closed from its callback.
 *
 * So it is told to read nothing: for a buffer of no bytes the kernel answers 0 and takes no message, and the library then
 * says `end` and stops. That makes a notice for one time.
 *
 * It also calls us without a callback scope: since Node 26.4 (nodejs/node#62969) neither promises nor `process.nextTick`
 * go on after such a call, until something else happens in the process. So all that is done in its calls is to ask for a
 * turn of our own.
 */
import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import addon from 'node-unix-socket/js/addon.js'
import { errnoOf } from '../../errors/index.ts'

type SocketWrap = InstanceType<typeof addon.SeqpacketSocketWrap>

export interface SeqpacketHandlers {
  /** Asked for by `whenReadable`, once; also when the connection has ended or is broken. */
  onReadable(): void
}

export interface Seqpacket {
  /** The next message, never empty; undefined when there is none yet; `end` when there will be none. */
  read(): Buffer | undefined | 'end'
  whenReadable(): void
  /** One message. Calls back when the kernel has it; not at all when the connection breaks or is closed first. */
  write(message: Buffer, written: () => void): void
  /** No more messages from us. */
  end(): void
  close(): void
}

/** More than any monitor sends at once (conmon 8193). A longer message would be cut. */
const messageMaxBytes = 64 * 1024

/** Of all connections: nothing is read into it that is not copied out at once. */
const scratch = Buffer.allocUnsafeSlow(messageMaxBytes)

/**
 * Connects to `<directory>/<name>`, which may be longer than the 107 bytes that the system call takes: the directory is
 * reached through our descriptor of it. Throws what `open` throws, and an Error without an errno when nobody accepts.
 */
export function connectSeqpacket(directory: string, name: string, handlers: SeqpacketHandlers): Seqpacket {
  let closed = false
  let shutDown = false
  // Calls come from within the library's own work, where it must not be disturbed.
  const inOwnTurn = (work: () => void) => setImmediate(() => closed || work())
  const emit = (event: string) => {
    // An error is mostly ECONNRESET or EPIPE under another name. Reading finds out, and finds what still waits.
    if (event === 'end' || event === '_error') inOwnTurn(() => handlers.onReadable())
  }
  const { wrap, fd } = makeSocket(emit)
  const close = () => {
    if (closed) return
    closed = true
    setImmediate(() => wrap.close())
  }
  try {
    connectThrough(directory, name, wrap)
  } catch (error) {
    close()
    throw error
  }
  return {
    read: () => (closed ? 'end' : readMessage(fd)),
    // At once, without waiting to hear that it is connected: a Unix socket is, as soon as the call has returned, and
    // the library forgets to say so when something is written first.
    whenReadable: () => {
      if (!closed) wrap.startRecv()
    },
    write: (message, written) => {
      if (!closed && !shutDown) wrap.write(message, 0, message.length, () => inOwnTurn(written))
    },
    end: () => {
      if (!closed && !shutDown) wrap.shutdownWhenFlushed()
      shutDown = true
    },
    close,
  }
}

function readMessage(fd: number): Buffer | undefined | 'end' {
  for (;;) {
    try {
      const sizeBytes = readSync(fd, scratch, 0, messageMaxBytes, null)
      return sizeBytes === 0 ? 'end' : Buffer.from(scratch.subarray(0, sizeBytes))
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'EAGAIN') return undefined
      // It is told once, and hides the messages that came before it.
      if (errno !== 'ECONNRESET') return 'end'
    }
  }
}

function makeSocket(emit: (event: string) => void): {
  readonly wrap: SocketWrap
  readonly fd: number
} {
  const before = new Set(openSockets())
  const wrap = new addon.SeqpacketSocketWrap({ emit })
  wrap.init(wrap)
  wrap.setReadBufSize(0)
  const [fd, ...others] = openSockets().filter((name) => !before.has(name))
  // Nothing else runs between the two looks, so this is a library that works in another way than the one we know.
  if (fd === undefined || others.length > 0) throw new Error('the descriptor of the socket cannot be told')
  return { wrap, fd: Number(fd) }
}

function openSockets(): string[] {
  return readdirSync('/proc/self/fd').filter(isSocket)
}

/** The descriptor with which the directory itself is being read is listed, too, and is gone by now. */
function isSocket(name: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${name}`).startsWith('socket:')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

function connectThrough(directory: string, name: string, wrap: SocketWrap): void {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    wrap.connect(`/proc/self/fd/${fd}/${name}`)
  } finally {
    closeSync(fd)
  }
}
