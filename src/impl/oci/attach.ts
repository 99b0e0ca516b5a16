/**
 * Attach: joins a client to the streams of a container that its monitor holds. Any number of clients see the same output.
 *
 * Deliberately not here: how the monitor is spoken to (impl/attach-bridge). What becomes of the container's stdin when a
 * client leaves was settled when the container was created, by conmon's arguments (conmon-arguments.ts).
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Container } from '../../container.ts'
import { errnoOf, isOciError, OciError, toOciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import type { AttachBridge, BridgeSession } from '../attach-bridge/client.ts'
import { checkedKeys } from '../attach-client/attach-options.ts'
import { tie } from '../attach-client/client-streams.ts'
import { followSizes } from '../attach-client/terminal-sizes.ts'
import type { AttachEnd, AttachOptions, AttachSession } from '../attach-port.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import { containerPaths, type ContainerPaths } from './paths.ts'
import { TerminalSizes } from './terminal-size.ts'
import type { OciWorld } from './world.ts'

/** As little of {@link OciWorld} as is needed. */
export interface AttachWorld extends Pick<OciWorld, 'config' | 'logger'> {
  readonly attachBridge: AttachBridge
}

/**
 * Resolves when the client is joined and the terminal has its first size: output from then on is not missed, so a client
 * that attaches before `start` sees everything.
 *
 * Rejects with ERR_INVALID_ARGUMENT, ERR_NOT_RUNNING, ERR_MONITOR_LOST, ERR_BUSY, ERR_LAUNCHER_LOST, ERR_UNSUPPORTED,
 * ERR_ABORTED, ERR_CLOSED. An abort later ends the session. Parity: the seed's AttachContainer, which resolves with the
 * end of the session.
 */
export async function attach(
  world: AttachWorld,
  container: Container,
  options: AttachOptions,
  { signal }: EffectOptions,
): Promise<AttachSession> {
  const detachKeys = checkedKeys(container, options)
  // The runtime's own directory is the only thing that the root decides, and of no interest here.
  const paths = containerPaths(container, world.config, '')
  const session = await join(world, container, paths, options.bufferMaxBytes, signal)
  const over = new AbortController()
  const close = () => session.close()
  signal.addEventListener('abort', close, { once: true })
  const { stdin, stdout, stderr, resize$ } = options
  const takesInput = container.stdin || container.terminal
  const ended = whenOver(tie(session, { stdin, stdout, stderr, detachKeys, takesInput }), () => {
    over.abort()
    signal.removeEventListener('abort', close)
  })
  if (resize$ !== undefined && container.terminal) {
    const sizes = new TerminalSizes(paths.controlFifo, container.id, over.signal)
    const complain = (err: unknown) => {
      if (over.signal.aborted && isOciError(err)) return
      world.logger.warn({ containerId: container.id, err }, 'the size of a terminal was not set')
    }
    await followSizes(resize$, { set: (size) => sizes.set(size), complain, over: over.signal })
  }
  return { ended, close }
}

async function join(
  world: AttachWorld,
  container: Container,
  { attachSocket, controlFifo }: ContainerPaths,
  bufferMaxBytes: number | undefined,
  signal: AbortSignal,
): Promise<BridgeSession> {
  const target = { directory: dirname(attachSocket), socket: basename(attachSocket), bufferMaxBytes }
  const details = { containerId: container.id }
  try {
    return await world.attachBridge.open(target, signal)
  } catch (cause) {
    const error = toOciError(cause, 'ERR_INTERNAL')
    // conmon removes its socket when the container has ended; one that was killed leaves it behind.
    if (error.code === 'ERR_NOT_FOUND') {
      const message = `container ${container.id} is not running: there is nothing to attach to`
      throw new OciError('ERR_NOT_RUNNING', message, { ...details, file: attachSocket, cause })
    }
    const { code, message: why, command } = error
    if (code !== 'ERR_NOT_RUNNING') throw new OciError(code, why, { ...details, command, cause })
    const lives = await hasReader(controlFifo)
    const message = lives
      ? `the monitor of container ${container.id} does not accept another client`
      : `the monitor of container ${container.id} is gone: nobody has its streams any more`
    throw new OciError(lives ? 'ERR_BUSY' : 'ERR_MONITOR_LOST', message, { ...details, cause })
  }
}

/** The monitor has its FIFO open for as long as it lives. */
async function hasReader(fifo: string): Promise<boolean> {
  try {
    await (await open(fifo, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)).close()
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENXIO' || errnoOf(error) === 'ENOENT') return false
    throw ioError('open', fifo, error)
  }
}

async function whenOver(ended: Promise<AttachEnd>, clear: () => void): Promise<AttachEnd> {
  const end = await ended
  clear()
  return end
}
