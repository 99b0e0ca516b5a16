/**
 * Instants as conmon writes them into a log: local time, nine decimals, numeric offset; so always of the same length.
 *
 * Node's wall clock has milliseconds. What is below comes from the monotonic clock, so that lines keep their order and
 * those of one millisecond can be told apart; when somebody sets the host's clock, stamps follow.
 */
const nsPerMs = 1_000_000n
/** The two clocks drift apart by less between two lines, unless the wall clock was set. */
const driftMaxNs = 5n * nsPerMs

export const stampBytes = '1970-01-01T00:00:00.000000000+00:00'.length

export class LogStamps {
  #anchorNs: bigint | undefined
  #secondMs = Number.NaN
  #second = ''
  #offset = ''

  next(wallMs: number = Date.now(), monotonicNs: bigint = process.hrtime.bigint()): string {
    const wallNs = BigInt(wallMs) * nsPerMs
    this.#anchorNs ??= wallNs - monotonicNs
    let nowNs = monotonicNs + this.#anchorNs
    const driftNs = nowNs - wallNs
    if (driftNs < -driftMaxNs || driftNs > driftMaxNs) {
      this.#anchorNs = wallNs - monotonicNs
      nowNs = wallNs
    }
    const nanos = nowNs % (1000n * nsPerMs)
    this.#setSecond(Number((nowNs - nanos) / nsPerMs))
    return `${this.#second}.${String(nanos).padStart(9, '0')}${this.#offset}`
  }

  #setSecond(secondMs: number): void {
    if (secondMs === this.#secondMs) return
    this.#secondMs = secondMs
    const eastMinutes = -new Date(secondMs).getTimezoneOffset()
    this.#second = new Date(secondMs + eastMinutes * 60_000).toISOString().slice(0, 19)
    this.#offset = `${eastMinutes < 0 ? '-' : '+'}${twoDigits(eastMinutes / 60)}:${twoDigits(eastMinutes % 60)}`
  }
}

function twoDigits(value: number): string {
  return String(Math.trunc(Math.abs(value))).padStart(2, '0')
}
