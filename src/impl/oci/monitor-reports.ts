/** What conmon reports of a command with a terminal, a number at a time: that it can be connected to (0), then the pid. */
import { Socket } from 'node:net'
import type { FifoEnd } from '../fifo.ts'

/** A report may carry a complaint of the runtime, which conmon cuts at 8 KiB. */
const lineMaxBytes = 65_536

export class MonitorReports {
  readonly #socket: Socket
  readonly #wanted: ((report: number | undefined) => void)[] = []
  readonly #unread: number[] = []
  #text = ''
  #isOver = false

  constructor(end: FifoEnd) {
    this.#socket = new Socket({ fd: end.take(), readable: true, writable: false })
    this.#socket
      .setEncoding('utf8')
      .on('data', (text: string) => this.#take(text))
      .on('error', () => undefined)
      .once('close', () => this.close())
  }

  /** The next report; undefined when there is none any more: the monitor has ended, or says what it cannot. */
  next(): Promise<number | undefined> {
    const report = this.#unread.shift()
    if (report !== undefined || this.#isOver) return Promise.resolve(report)
    return new Promise((resolve) => this.#wanted.push(resolve))
  }

  close(): void {
    this.#isOver = true
    this.#socket.destroy()
    for (const resolve of this.#wanted.splice(0)) resolve(undefined)
  }

  #take(text: string): void {
    this.#text += text
    const lines = this.#text.split('\n')
    this.#text = lines.pop() ?? ''
    for (const line of lines) this.#report(line)
    if (this.#text.length > lineMaxBytes) this.close()
  }

  #report(line: string): void {
    const report = Number(/^\{"data": ?(-?\d{1,10})[,}]/.exec(line)?.[1])
    if (!Number.isInteger(report)) return this.close()
    const resolve = this.#wanted.shift()
    if (resolve === undefined) this.#unread.push(report)
    else resolve(report)
  }
}
