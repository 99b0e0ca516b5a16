/**
 * HTTP and WebSocket: GET only, three pages and two streams. Every request passes the gate first, upgrades included.
 *
 * Bounded: connections, requests per second, header and message sizes. A connection that is refused is closed from this
 * side: its peer may never do it. Sockets never keep the embedder's process alive.
 */
import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { Logger } from '../surroundings/logger.ts'
import { contentSecurityPolicy, type Assets } from './assets.ts'
import { Client } from './client.ts'
import { Connections, connectionsMax } from './connections.ts'
import { refusalOf, type GateOptions } from './gate.ts'
import { paths } from './protocol.ts'

/** Watchers at the same time. */
export const watchersMax = 32
const requestsPerSecondMax = 50
const headerMaxBytes = 8 * 1024
/** No message is wanted; one of this size is ignored, a larger one closes its connection. */
const messageMaxBytes = 1024
/** Node closes what is slower even when the headers have arrived and its own process was too busy to read them. */
const headersTimeoutMs = 30_000

export interface MetricsSource {
  readonly contentType: string
  metrics(): Promise<string>
}

export interface ServerOptions {
  readonly gate: GateOptions
  readonly assets: Assets
  readonly metrics: MetricsSource | undefined
  readonly logger: Logger
  /** A watcher has come; false when there is nothing at that address. */
  readonly watch: (client: Client, url: URL) => void
  readonly isWatchable: (url: URL) => boolean
}

export function createInspectorServer(options: ServerOptions): { server: Server; dropClients: () => void } {
  const server = createServer({
    maxHeaderSize: headerMaxBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: headersTimeoutMs,
    connectionsCheckingInterval: 1000,
  })
  server.maxConnections = connectionsMax
  const connections = new Connections()
  const own = new RequestBudget()
  // Apart: whoever is not let in must not use up the requests of those who are.
  const strangers = new RequestBudget()
  const refusal = (request: IncomingMessage, url: URL): number | undefined => {
    const refused = refusalOf(request, url, options.gate)
    const budget = refused === undefined ? own : strangers
    if (!budget.take()) return 429
    return refused ?? (connections.admit(request.socket) ? undefined : 503)
  }
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: messageMaxBytes,
    perMessageDeflate: false,
  })
  server.on('connection', (socket: Socket) => connections.add(socket.unref()))
  server.on('request', (request, response) => {
    const url = urlOf(request)
    const refused = refusal(request, url)
    answer(request, response, url, refused, options).catch((error: unknown) => {
      options.logger.warn({ err: error }, 'a request of the inspector could not be answered')
      response.destroy()
    })
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => undefined)
    const url = urlOf(request)
    const refused = refusal(request, url)
    if (refused !== undefined) refuse(socket, refused)
    else if (!options.isWatchable(url)) refuse(socket, 404)
    else if (sockets.clients.size >= watchersMax) refuse(socket, 503)
    else sockets.handleUpgrade(request, socket, head, (accepted) => options.watch(new Client(accepted), url))
  })
  return {
    server,
    dropClients: () => {
      for (const socket of sockets.clients) socket.terminate()
    },
  }
}

/** A bucket of requests that fills up again. */
class RequestBudget {
  #left = requestsPerSecondMax
  #atMs = performance.now()

  take(): boolean {
    const nowMs = performance.now()
    this.#left = Math.min(
      requestsPerSecondMax,
      this.#left + ((nowMs - this.#atMs) * requestsPerSecondMax) / 1000,
    )
    this.#atMs = nowMs
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  refused: number | undefined,
  { assets, metrics }: ServerOptions,
): Promise<void> {
  const { statechart, page } = assets
  // With this header node destroys the connection after the answer.
  if (refused !== undefined) reply(response, refused, { connection: 'close' })
  else if (request.method !== 'GET' && request.method !== 'HEAD') reply(response, 405, { allow: 'GET, HEAD' })
  else if (url.pathname === '/') {
    const headers = {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': contentSecurityPolicy(page),
    }
    reply(response, 200, headers, page)
  } else if (url.pathname === `${paths.statecharts}${statechart.hash}`) {
    const headers = {
      'content-type': 'application/json',
      'cache-control': 'private, max-age=31536000, immutable',
    }
    reply(response, 200, headers, JSON.stringify(statechart))
  } else if (url.pathname === paths.metrics && metrics !== undefined) {
    reply(response, 200, { 'content-type': metrics.contentType }, await metrics.metrics())
  } else reply(response, 404)
}

const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

function reply(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
): void {
  const text = body ?? `${status} ${STATUS_CODES[status] ?? ''}\n`
  const type = body === undefined ? { 'content-type': 'text/plain; charset=utf-8' } : {}
  response.writeHead(status, { ...securityHeaders, ...type, ...headers })
  response.end(response.req.method === 'HEAD' ? undefined : text)
}

function refuse(socket: Duplex, status: number): void {
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    // No timeout of the server is left on it, and its peer may keep its half for ever.
    () => socket.destroy(),
  )
}

/** What cannot be read as an address leads nowhere. */
function urlOf({ url = '/' }: IncomingMessage): URL {
  const base = 'http://inspector'
  // Put together as text: resolved, `//other/` would be another host's root.
  return url.startsWith('/') && URL.canParse(base + url) ? new URL(base + url) : new URL(`${base}/nowhere`)
}
