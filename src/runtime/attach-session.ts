/** An attached client as its caller holds it. Deliberately not here: the streams, which are the caller's own. */
import type { AttachSession } from '../impl/attach-port.ts'
import type { KeepAlive } from '../surroundings/keep-alive.ts'

export function attachSessionOf(session: AttachSession, keepAlive: KeepAlive): AttachSession {
  const awaited = keepAlive.onceAsked(session.ended)
  return {
    // Only who asks for it waits for it: a client that nobody waits for keeps no process alive.
    get ended() {
      return awaited()
    },
    close: () => session.close(),
  }
}
