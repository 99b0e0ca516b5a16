/** What a monitor says on its sync pipe during create: one line of JSON, or its end without one. */
import type { Socket } from 'node:net'
import type { MonitorAnswer } from './protocol.ts'

/**
 * conmon passes on at most 8191 bytes of the runtime's stderr; escaped as JSON they can take six times as much.
 */
const syncLineMaxBytes = 64 * 1024

/** What a pid_t holds; the kernel's own limit is far below. */
const pidMax = 0x7fff_ffff

/** How much of a nonsensical answer is kept. */
const garbledTextMax = 1024

export interface SyncText {
  readonly text: string
  /** False when the pipe ended without the newline. */
  readonly wholeLine: boolean
}

/** Reads up to the first newline and no further. Never rejects: an error on the pipe is its end. */
export function readSyncLine(sync: Socket): Promise<SyncText> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    const finish = (wholeLine: boolean) => {
      sync.pause()
      sync.off('data', onData)
      const [line = ''] = Buffer.concat(chunks).toString('utf8').split('\n', 1)
      resolve({ text: line, wholeLine })
    }
    const onData = (chunk: Buffer) => {
      chunks.push(chunk)
      sizeBytes += chunk.length
      if (chunk.includes('\n') || sizeBytes > syncLineMaxBytes) finish(true)
    }
    sync.on('data', onData)
    sync.once('close', () => finish(false))
  })
}

/** The answer a text stands for; undefined when it is none. */
export function parseSyncText(text: string): MonitorAnswer | undefined {
  const said = parseJson(text)
  if (typeof said !== 'object' || said === null || !('pid' in said)) return undefined
  const { pid } = said
  if (pid === -1) {
    const message = 'message' in said && typeof said.message === 'string' ? said.message : ''
    return { kind: 'refused', message }
  }
  // Pid 1 is never a container, and nobody must ever be led to signal it.
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 1 || pid > pidMax) return undefined
  return { kind: 'created', containerPid: pid }
}

export function beginningOf(text: string): string {
  return text.slice(0, garbledTextMax)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
