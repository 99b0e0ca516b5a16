/** The inspector of a runtime: off until it is opened, attached to nothing until somebody watches, and read-only. */
import { randomBytes } from 'node:crypto'
import { isAbsolute } from 'node:path'
import { checkOptionsObject, OciError, publicVerb } from '../errors/index.ts'
import { readAssets, type Assets } from './assets.ts'
import type { Client } from './client.ts'
import { Focus } from './focus.ts'
import { Hub } from './hub.ts'
import { listenOnLoopback, listenOnSocket } from './listen.ts'
import { Observers } from './observers.ts'
import { paths } from './protocol.ts'
import type { Reveal } from './redaction.ts'
import { createInspectorServer, type MetricsSource } from './server.ts'
import { watchAsStately } from './stately.ts'
import type { WatchedRuntime } from './watched.ts'

export interface InspectorOptions {
  /**
   * Listens on this Unix socket (absolute path; its directory is made, or has to be, 0700) instead of on 127.0.0.1. Whoever
   * may open the socket may watch; a `token` is asked for only when you give one.
   */
  readonly socketPath?: string
  /** On 127.0.0.1. Default: any free one. */
  readonly port?: number
  /**
   * What a watcher has to know: at least 16 characters. Default: a new random one. With a port and a token of your own a
   * page that is open finds the supervisor again after a restart.
   */
  readonly token?: string
  /** Values that may be shown, by name; see {@link Reveal}. Default: none. */
  readonly reveal?: Reveal
  /** Whether the output of containers is shown. Default true. */
  readonly logs?: boolean
  /** Origins of other pages that may connect (`http://localhost:3000`), for tools with the stock protocol. Default: none. */
  readonly origins?: readonly string[]
  /** Served at `/metrics`, to whoever may watch: a registry of prom-client. Default: nothing. */
  readonly metrics?: MetricsSource
}

export interface Inspector extends AsyncDisposable {
  /** For a browser, with the token; on a Unix socket the address that a tunnel to it would have. */
  readonly url: string
  /** For `createWebSocketReceiver` of @statelyai/inspect; `&id=` (repeatable) chooses containers. */
  readonly statelyUrl: string
  readonly token: string | undefined
  readonly port: number | undefined
  readonly socketPath: string | undefined
  /** Machines and streams that something is attached to: 0 while nobody watches. */
  readonly attached: number
  /** Ends all connections and stops listening. The runtime and its containers go on. */
  close(): Promise<void>
}

/** What is there to be inspected: a `Runtime`. */
export interface Inspectable {
  /** @internal */
  readonly parts: WatchedRuntime & { readonly config: { readonly defaultRuntime: string } }
}

const tokenMinLength = 16

/**
 * Opens an inspector on a runtime: a page for browsers, and the protocol of @statelyai/inspect. It costs nothing until
 * somebody watches, can only look, and does not keep the process alive. Rejects with ERR_INVALID_ARGUMENT naming the
 * option, with ERR_IO when the address is taken.
 *
 * @example
 * const inspector = await openInspector(runtime)
 * console.log(inspector.url)
 */
export async function openInspector(
  runtime: Inspectable,
  options: InspectorOptions = {},
): Promise<Inspector> {
  return publicVerb({ operation: 'openInspector' }, async () => {
    checkOptionsObject(runtime, 'openInspector', 'runtime')
    checkOptionsObject(runtime.parts, 'openInspector', 'runtime')
    checkOptionsObject(options, 'openInspector')
    checkOptions(options)
    return serveInspector(runtime, options, await readAssets())
  })
}

/** @internal With assets from elsewhere, for tests on the sources. */
export async function serveInspector(
  { parts }: Inspectable,
  options: InspectorOptions,
  assets: Assets,
): Promise<Inspector> {
  const { socketPath, reveal = {}, logs = true, origins = [] } = options
  const token =
    options.token ?? (socketPath === undefined ? randomBytes(32).toString('base64url') : undefined)
  const { defaultRuntime: defaultHandler } = parts.config
  const hub = new Hub(parts, { reveal, defaultHandler })
  const observers = new Observers()
  const focus = { reveal, showsLogs: logs, defaultHandler, statechart: assets.statechart.hash }

  const watching = (client: Client, { pathname, searchParams }: URL): Promise<void> => {
    if (pathname === paths.stately) {
      const ids = searchParams.getAll('id')
      return watchAsStately(parts, observers, ids.length === 0 ? undefined : ids, client)
    }
    const id = searchParams.get('id')
    return id === null ? hub.watch(client) : Focus.watch(parts, observers, id, client, focus)
  }
  const { server, dropClients } = createInspectorServer({
    gate: { token, origins },
    assets,
    metrics: options.metrics,
    logger: parts.logger,
    isWatchable: ({ pathname }) => pathname === paths.watch || pathname === paths.stately,
    watch: (client, url) => {
      watching(client, url).catch((error: unknown) => {
        parts.logger.error({ err: error }, 'the inspector failed a watcher')
        client.drop()
      })
    },
  })
  let port: number | undefined
  if (socketPath === undefined) port = await listenOnLoopback(server, options.port ?? 0)
  else await listenOnSocket(server, socketPath)

  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    hub.close()
    dropClients()
    server.closeAllConnections()
    await closed
  }
  const address = port === undefined ? 'localhost' : `127.0.0.1:${port}`
  const query = token === undefined ? '' : `?token=${encodeURIComponent(token)}`
  return {
    url: `http://${address}/${query}`,
    statelyUrl: `ws://${address}${paths.stately}${query}`,
    token,
    port,
    socketPath,
    get attached() {
      return observers.size + (hub.isAttached ? 1 : 0)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function checkOptions(options: InspectorOptions): void {
  const { socketPath, port, token, origins = [], reveal, logs, metrics } = options
  check(
    'reveal',
    reveal === undefined || (typeof reveal === 'object' && reveal !== null),
    'must be an object',
  )
  check('logs', logs === undefined || typeof logs === 'boolean', 'must be a boolean')
  check(
    'metrics',
    metrics === undefined || typeof Reflect.get(Object(metrics), 'metrics') === 'function',
    'must be a registry',
  )
  check(
    'socketPath',
    socketPath === undefined || (typeof socketPath === 'string' && isAbsolute(socketPath)),
    'must be an absolute path',
  )
  check('port', port === undefined || socketPath === undefined, 'and socketPath exclude each other')
  check(
    'port',
    port === undefined || (Number.isInteger(port) && port >= 0 && port < 65_536),
    'must be 0 to 65535',
  )
  check(
    'token',
    token === undefined || (typeof token === 'string' && /^[\w.~-]+$/u.test(token)),
    'must consist of letters, digits and . _ ~ -',
  )
  check(
    'token',
    token === undefined || token.length >= tokenMinLength,
    `must have ${tokenMinLength} characters or more`,
  )
  check(
    'origins',
    Array.isArray(origins) && origins.every(isOrigin),
    'must be origins such as http://localhost:3000',
  )
}

function check(field: string, isRight: boolean, message: string): void {
  if (isRight) return
  throw new OciError('ERR_INVALID_ARGUMENT', `${field} ${message}`, { field, operation: 'openInspector' })
}

function isOrigin(text: unknown): boolean {
  return typeof text === 'string' && URL.canParse(text) && new URL(text).origin === text
}
