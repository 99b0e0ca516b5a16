/** A runtime of simulated containers with an inspector on it, and clients that are no browsers. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { buildAssets } from '../../scripts/build-inspector.ts'
import { Container, type ContainerOptions } from '../../src/container.ts'
import { defineConfig } from '../../src/config/index.ts'
import { SimulatedRuntime } from '../../src/impl/sim/simulated-runtime.ts'
import { serveInspector, type Inspector, type InspectorOptions } from '../../src/inspect/inspector.ts'
import type { Assets } from '../../src/inspect/assets.ts'
import { Runtime } from '../../src/runtime.ts'
import { systemClock, type Clock } from '../../src/surroundings/clock.ts'
import { timestampFromDate } from '../../src/timestamp.ts'
import { memoryStateDirectory } from '../../src/store/memory-state-directory.ts'

let assets: Promise<Assets> | undefined

/** Made once per test file. */
export function inspectorAssets(): Promise<Assets> {
  assets ??= buildAssets()
  return assets
}

export interface Inspected extends AsyncDisposable {
  readonly runtime: Runtime
  readonly sim: SimulatedRuntime
  readonly inspector: Inspector
  /** Created and started. */
  readonly run: (options: Partial<ContainerOptions> & { readonly id: string }) => Promise<Container>
  /** The same supervisor's successor, at the same address: other containers, another epoch. */
  reopenInspector(): Promise<void>
}

/** For whom the page and the drawing do not matter: making them takes a second. */
const plainAssets: Assets = {
  page: '<!doctype html><style>p {}</style><script type="module">0</script>',
  statechart: { hash: 'none', svg: '<svg/>', edges: {} },
}

/** In real time: what is tested are sockets and browsers. */
export async function openInspected(
  options: InspectorOptions = {},
  served: Assets = plainAssets,
  clock: Clock = systemClock,
): Promise<Inspected> {
  const sim = new SimulatedRuntime({ clock })
  const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
  const runtime = await Runtime.open(config, {
    clock,
    implementations: { sim: () => sim },
    stateDirectory: memoryStateDirectory(),
  })
  let inspector = await serveInspector(runtime, options, served)
  return {
    runtime,
    sim,
    get inspector() {
      return inspector
    },
    run: async (container) => {
      const made = new Container({ bundlePath: `/bundles/${container.id}`, ...container })
      await runtime.createContainer(made)
      await runtime.startContainer(made)
      return made
    },
    reopenInspector: async () => {
      const { port, token } = inspector
      await inspector.close()
      const again = {
        ...options,
        ...(port === undefined ? {} : { port }),
        ...(token === undefined ? {} : { token }),
      }
      inspector = await serveInspector(runtime, again, served)
    },
    [Symbol.asyncDispose]: async () => {
      await inspector.close()
      await runtime.close()
    },
  }
}

/** The host's time, and more: what is long ago need not be waited for. */
export class LeapingClock implements Clock {
  #aheadMs = 0
  #setByMs = 0

  /** Somebody sets the wall clock; time goes on as ever. */
  setWallClock(byMs: number): void {
    this.#setByMs += byMs
  }

  leap(ms: number): void {
    this.#aheadMs += ms
  }

  now(): number {
    return systemClock.now() + this.#aheadMs
  }

  timestamp(): string {
    return timestampFromDate(new Date(Date.now() + this.#aheadMs + this.#setByMs))
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    return systemClock.setTimeout(callback, delayMs)
  }

  clearTimeout(timer: unknown): void {
    systemClock.clearTimeout(timer)
  }
}

export type Frame = Readonly<Record<string, unknown>> & { readonly type: string }

/** A client of a stream: everything that it was sent. */
export class Watcher {
  readonly frames: Frame[] = []
  readonly texts: string[] = []
  readonly socket: WebSocket
  /** The code with which it was closed. */
  readonly closed: Promise<number>
  readonly #waiting = new Set<() => void>()

  constructor(url: string, options: { readonly origin?: string } = {}) {
    this.socket = new WebSocket(url, options)
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code) => {
        resolve(code)
        this.#look()
      })
    })
    this.socket.on('error', () => undefined)
    this.socket.on('message', (data: Buffer) => {
      const text = data.toString()
      this.texts.push(text)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- whatever it is, the test says what it has to be
      this.frames.push(JSON.parse(text) as Frame)
      this.#look()
    })
  }

  /** Resolves with the first frame that fits, also one that has come already. */
  async frame(fits: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(fits)
      if (found !== undefined) return found
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error('closed before such a frame came')
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  /** What has come so far does not count any more. */
  forget(): void {
    this.frames.length = 0
  }

  async close(): Promise<void> {
    this.socket.close()
    await this.closed
  }

  #look(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/** The address of a stream. */
export function streamUrl(
  { inspector }: Inspected,
  path = '/watch',
  query: Readonly<Record<string, string>> = {},
): string {
  const url = new URL(path, inspector.url)
  url.protocol = 'ws:'
  url.search = new URLSearchParams({
    ...(inspector.token === undefined ? {} : { token: inspector.token }),
    ...query,
  }).toString()
  return url.href
}

/** Sends lines as they are and returns the status of the answer. */
export async function rawStatus(
  target: { port: number } | { path: string },
  lines: readonly string[],
): Promise<number> {
  const socket = connect(target)
  socket.write([...lines, 'Connection: close', '', ''].join('\r\n'))
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(Buffer.concat(chunks).toString()) ?? []
  return Number(status)
}

/** Waits for a fact that nothing announces. */
export async function becomesTrue(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5))
}
