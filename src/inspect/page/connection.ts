/** A stream of frames from the hub that comes back by itself: nothing is ever sent. */

const retryMinMs = 400
const retryMaxMs = 5000

export type LinkState = 'connecting' | 'open' | 'lost' | 'refused'

export interface Listener<Frame> {
  frame(frame: Frame): void
  /** A new connection begins: everything comes again. */
  opened(): void
  state(state: LinkState): void
}

/** Connects until the returned function is called. */
export function connect<Frame>(path: string, listener: Listener<Frame>): () => void {
  let socket: WebSocket | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let waitMs = retryMinMs
  let isOver = false

  const open = (): void => {
    socket = new WebSocket(addressOf(path).replace(/^http/, 'ws'))
    socket.addEventListener('open', () => {
      waitMs = retryMinMs
      listener.state('open')
      listener.opened()
    })
    socket.addEventListener('message', ({ data }: MessageEvent<string>) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one version, or the page is loaded again
      listener.frame(JSON.parse(data) as Frame)
    })
    socket.addEventListener('close', () => void again())
  }

  const again = async (): Promise<void> => {
    if (isOver) return
    listener.state('lost')
    const refused = await isRefused()
    if (isOver) return
    if (refused) listener.state('refused')
    timer = setTimeout(open, refused ? retryMaxMs : waitMs)
    waitMs = Math.min(waitMs * 1.6, retryMaxMs)
  }

  // Whoever comes back to the tab does not want to wait.
  const hurry = (): void => {
    if (document.hidden || socket === undefined || socket.readyState !== WebSocket.CLOSED) return
    clearTimeout(timer)
    waitMs = retryMinMs
    open()
  }

  listener.state('connecting')
  open()
  document.addEventListener('visibilitychange', hurry)
  return () => {
    isOver = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', hurry)
    socket?.close()
  }
}

/** An address of the inspector, with what lets this page in. */
export function addressOf(path: string): string {
  const url = new URL(path, location.origin)
  const token = new URLSearchParams(location.search).get('token')
  if (token !== null) url.searchParams.set('token', token)
  return url.href
}

/** A browser does not say why a WebSocket was not opened; a plain request tells. */
async function isRefused(): Promise<boolean> {
  try {
    const { status } = await fetch(addressOf('/'), { method: 'HEAD' })
    return status === 401 || status === 403
  } catch {
    return false
  }
}
