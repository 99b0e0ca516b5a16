/** The supervisor's hold on a monitor: the sync pipe that conmon keeps open for as long as it lives. */
import type { Socket } from 'node:net'

/**
 * Resolves when the other end is closed, which is when the monitor has died. Our own `destroy` does not resolve it. The
 * socket keeps no process alive. Has to be called in the turn in which the socket arrived: its end may be there already.
 */
export function watchMonitor(sync: Socket): Promise<void> {
  sync.unref()
  // An end is only seen by who reads; nothing of interest follows the pid line.
  sync.resume()
  return new Promise((resolve) => {
    sync.once('end', resolve)
    // ECONNRESET: the monitor was killed. Afterwards errors can only come from our own closing.
    sync.on('error', () => resolve())
  })
}
