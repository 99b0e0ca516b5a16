/**
 * Keeps the memory of streams that were read and dropped small, and cheap to get back.
 *
 * The bytes of a Buffer are outside of V8's heap, and are free only when V8 has collected the Buffer. A long stream makes
 * next to no other garbage, so the young heap does not fill up; V8 waits until 64 MiB of such bytes have come together
 * and then collects the whole heap, the embedder's own included. (Measured: 1 GiB read takes 70 to 140 MiB, and some 16
 * full collections.) So we let the young heap fill up in time: its collection takes a millisecond, however large the old
 * one is, and frees the dead Buffers.
 */
import { getHeapSpaceStatistics } from 'node:v8'

/** So much may be read between two collections. */
const spacingBytes = 16 * 1024 * 1024
/** Nothing is done for less. */
const stepBytes = 64 * 1024
/** The young heap changes its size, rarely. */
const lookBytes = 4 * 1024 * 1024

const slotBytes = 8
/** One allocation, in one stroke: what it holds does not matter. */
const pattern = Array.from({ length: stepBytes / slotBytes }, () => 0)

let readBytes = 0
let unseenBytes = lookBytes
/** Young garbage for each byte that is read. */
let share = 0
/** Where it can be seen, or the compiler would see that nobody wants it. */
const young: { ballast: readonly number[] } = { ballast: [] }
const nothing: readonly number[] = []

/** So many bytes of a stream are about to become garbage. */
export function streamed(sizeBytes: number): void {
  readBytes += sizeBytes
  if (readBytes < stepBytes) return
  unseenBytes += readBytes
  if (unseenBytes >= lookBytes) {
    unseenBytes = 0
    share = Math.min(youngBytes() / spacingBytes, 1)
  }
  young.ballast = pattern.slice(0, Math.ceil(pattern.length * share))
  // Not held: of what survives its collections V8 concludes that the young heap is too small, and doubles it.
  young.ballast = nothing
  readBytes = 0
}

function youngBytes(): number {
  const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')
  return space?.space_size ?? 0
}
