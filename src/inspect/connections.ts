/**
 * Who holds a place at the inspector. Anybody on this machine may connect, so connections that have not shown the token
 * have few places and little time, and take none of those that have. A new one drives the oldest out, so that holding all
 * of them keeps nobody out.
 */
import type { Duplex } from 'node:stream'

/** More than the watchers: their pages ask for other things, too. */
const admittedMax = 128
const strangersMax = 64
const strangerTimeoutMs = 5000

/** A backstop: neither kind exceeds its own limit. */
export const connectionsMax = admittedMax + strangersMax

export class Connections {
  /** Oldest first. */
  readonly #strangers = new Map<Duplex, NodeJS.Timeout>()
  readonly #admitted = new Set<Duplex>()

  add(socket: Duplex): void {
    const [oldest] = this.#strangers.keys()
    if (oldest !== undefined && this.#strangers.size >= strangersMax) oldest.destroy()
    this.#strangers.set(socket, setTimeout(() => socket.destroy(), strangerTimeoutMs).unref())
    socket.on('close', () => this.#remove(socket))
    if (oldest?.destroyed === true) this.#remove(oldest)
  }

  /** Of one that has shown that it may come in; false when all places are taken. */
  admit(socket: Duplex): boolean {
    if (this.#admitted.has(socket)) return true
    if (this.#admitted.size >= admittedMax) return false
    this.#remove(socket)
    this.#admitted.add(socket)
    return true
  }

  #remove(socket: Duplex): void {
    clearTimeout(this.#strangers.get(socket))
    this.#strangers.delete(socket)
    this.#admitted.delete(socket)
  }
}
