/** Two duplex streams as one conversation: either direction may end alone, and the slower side sets the pace. */
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'

/** How it ended: both directions in their turn, or one side by vanishing. */
export type JoinEnd = 'both' | 'client' | 'container'

/**
 * Resolves when both directions have ended or one side has closed. `containerGone` resolves when nobody reads from
 * `container` any more; what came from there is still passed on. Never rejects.
 *
 * Deliberately not `pipeline`: it destroys both with an error, which is an uncaught one where the client's owner listens
 * to none.
 */
export async function joinStreams(
  client: Duplex,
  container: Duplex,
  containerGone: Promise<unknown>,
): Promise<JoinEnd> {
  const toContainer = [
    finished(client, { writable: false }),
    finished(container, { readable: false }),
  ] as const
  const toClient = [finished(container, { writable: false }), finished(client, { readable: false })] as const
  client.pipe(container)
  container.pipe(client)
  const end = await Promise.race<JoinEnd>([
    ended([...toContainer, ...toClient], 'both'),
    broken([toContainer[0], toClient[1]], 'client'),
    broken([toContainer[1], toClient[0]], 'container'),
    containerGone.then(() => ended(toClient, 'container')),
  ])
  client.unpipe(container)
  container.unpipe(client)
  return end
}

/** Stays pending when one of them is broken: {@link broken} says whose. */
function ended(sides: readonly Promise<void>[], end: JoinEnd): Promise<JoinEnd> {
  return new Promise((resolve) => {
    Promise.all(sides).then(
      () => resolve(end),
      () => undefined,
    )
  })
}

function broken(sides: readonly Promise<void>[], end: JoinEnd): Promise<JoinEnd> {
  return new Promise((resolve) => {
    for (const side of sides) side.catch(() => resolve(end))
  })
}
