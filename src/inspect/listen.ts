/** Where the inspector listens: a Unix socket of its owner only, or 127.0.0.1. */
import { chmod, lstat, unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { errnoOf, OciError } from '../errors/index.ts'
import { ensurePrivateDirectory, ioError } from '../files.ts'

/** Returns the port. */
export async function listenOnLoopback(server: Server, port: number): Promise<number> {
  await listening(
    server,
    () => server.listen({ host: '127.0.0.1', port, exclusive: true }),
    `127.0.0.1:${port}`,
  )
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

/**
 * The socket's directory has to belong to us alone: between the making of a socket and its permissions anybody who can
 * reach it could connect.
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  await ensurePrivateDirectory(dirname(path))
  await removeDead(path)
  await listening(server, () => server.listen({ path, exclusive: true }), path)
  await chmod(path, 0o600)
}

async function listening(server: Server, listen: () => void, where: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.once('listening', () => {
        server.off('error', reject)
        // Failures to accept (EMFILE): the client sees that it does not get in.
        server.on('error', () => undefined)
        resolve()
      })
      listen()
    })
  } catch (error) {
    throw ioError('listen on', where, error)
  }
  server.unref()
}

/** The socket of a process that ended without removing it; anything else is not ours to remove. */
async function removeDead(path: string): Promise<void> {
  try {
    if (!(await lstat(path)).isSocket()) {
      throw new OciError('ERR_IO', `${path} exists and is no socket`, { file: path })
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return
    throw error
  }
  if (await isAlive(path)) throw new OciError('ERR_IO', `somebody listens on ${path} already`, { file: path })
  await unlink(path)
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error) => resolve(errnoOf(error) !== 'ECONNREFUSED'))
  })
}
