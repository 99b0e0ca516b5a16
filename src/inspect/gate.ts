/**
 * Who may come in. Checked for every request, before an upgrade: the name in `Host` (a web page that rebinds its own
 * name to 127.0.0.1 comes with that name), the `Origin` (any page may open a WebSocket to any address), the token (every
 * user of this machine can connect to 127.0.0.1).
 *
 * Invariant: being on the same machine is no permission. Nothing is told to whoever is not let in but the number.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export interface GateOptions {
  /** Undefined at a Unix socket, whose permissions are the file system's. */
  readonly token: string | undefined
  /** Pages of other origins that may connect, as browsers write them. */
  readonly origins: readonly string[]
}

export type Refusal = 400 | 401 | 403

const loopbackNames = new Set(['127.0.0.1', 'localhost'])

/** Undefined for whoever may come in. */
export function refusalOf(request: IncomingMessage, url: URL, options: GateOptions): Refusal | undefined {
  const { host } = request.headers
  if (host === undefined) return 400
  // The port is not compared: it is another one behind a tunnel.
  if (!loopbackNames.has(host.replace(/:\d{1,5}$/, ''))) return 403
  const { origin } = request.headers
  if (origin !== undefined && origin !== `http://${host}` && !options.origins.includes(origin)) return 403
  // What a browser adds by itself; older ones do not.
  const site = request.headers['sec-fetch-site']
  if (origin === undefined && site === 'cross-site' && request.headers['sec-fetch-mode'] !== 'navigate')
    return 403
  if (options.token !== undefined && !isToken(givenToken(request, url), options.token)) return 401
  return undefined
}

function givenToken(request: IncomingMessage, url: URL): string {
  const [, bearer] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? []
  return bearer ?? url.searchParams.get('token') ?? ''
}

/** In a time that does not tell how much of it is right. */
function isToken(given: string, token: string): boolean {
  return timingSafeEqual(digest(given), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
