/**
 * A Unix socket at which a helper program meets us: one connection, and no trace of it in the file system afterwards.
 *
 * Data does not travel by handle passing, since Node may have read its first bytes before the handle is passed. We listen
 * and the program connects: so its connection says that it has come that far, and nobody has to wait for a file.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, open } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { ensurePrivateDirectory, ioError } from '../../files.ts'
import { markedName } from './owner-mark.ts'

export interface StreamSocket {
  /** To be given as working directory: socat's syntax has no safe way to write any path, and a path may be too long. */
  readonly directory: string
  /** Relative to the directory. */
  readonly name: string
  /** The first and only connection. Its directions end apart. */
  readonly connection: Promise<Socket>
  /** Takes the socket away; a connection that was made goes on. */
  close(): Promise<void>
}

/** Listens below `directory`, which is made (0700) if it is missing. Throws ERR_IO, ERR_INVALID_ARGUMENT. */
export async function openStreamSocket(directory: string): Promise<StreamSocket> {
  await ensurePrivateDirectory(directory)
  const name = markedName(`${randomBytes(8).toString('hex')}.sock`)
  const server = createServer({ allowHalfOpen: true })
  const connection = new Promise<Socket>((resolve) => {
    server.once('connection', (socket: Socket) => {
      // Whoever uses it has a listener of its own; it may be torn down before it is used.
      socket.on('error', () => undefined)
      resolve(socket)
    })
  })
  server.maxConnections = 1
  server.unref()
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    // Through the descriptor, since a socket's path has at most 107 bytes.
    await listening(server, `/proc/self/fd/${handle.fd}/${name}`)
    await chmod(`${directory}/${name}`, 0o600)
  } catch (error) {
    server.close()
    await handle.close()
    throw ioError('listen on', `${directory}/${name}`, error)
  }
  return {
    directory,
    name,
    connection,
    close: async () => {
      // Node removes the socket by the path that it was given, at once, so the descriptor has to stand until then.
      server.close()
      await handle.close()
    },
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      // A failure to accept (EMFILE) shows as a connection that does not come.
      server.on('error', () => undefined)
      resolve()
    })
  })
}
