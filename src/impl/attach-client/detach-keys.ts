/** The keys that detach a client from a container: reading docker's notation, and finding them in what is typed. */
import { OciError } from '../../errors/index.ts'

export const detachKeysDefault = 'ctrl-p,ctrl-q'

const controls = '@abcdefghijklmnopqrstuvwxyz[\\]^_'

/** The bytes for `ctrl-p,ctrl-q`, `ctrl-@,x` and the like; none for an empty string. ERR_INVALID_ARGUMENT. */
export function parseDetachKeys(notation: string): Buffer {
  if (notation === '') return Buffer.alloc(0)
  return Buffer.from(notation.split(',').map((key) => byteOf(key, notation)))
}

function byteOf(key: string, notation: string): number {
  if (/^[\x20-\x7e]$/u.test(key)) return key.charCodeAt(0)
  const control = /^ctrl-(.)$/u.exec(key)?.[1] ?? ''
  const byte = control === '' ? -1 : controls.indexOf(control.toLowerCase())
  if (byte >= 0) return byte
  throw new OciError(
    'ERR_INVALID_ARGUMENT',
    `detachKeys must be characters and 'ctrl-' with one of ${controls}, separated by commas, got '${notation}'`,
    { field: 'detachKeys' },
  )
}

export interface Typed {
  /** What is meant for the container. */
  readonly forward: Buffer
  readonly detach: boolean
}

/**
 * Finds the keys in a stream of input, however it is cut. What may be their beginning is held back until the next byte
 * says that it is not.
 */
export class DetachKeys {
  readonly #keys: Buffer
  #heldCount = 0

  constructor(keys: Buffer) {
    this.#keys = keys
  }

  push(chunk: Buffer): Typed {
    if (this.#keys.length === 0) return { forward: chunk, detach: false }
    const all = Buffer.concat([this.#keys.subarray(0, this.#heldCount), chunk])
    const at = all.indexOf(this.#keys)
    if (at >= 0) return { forward: all.subarray(0, at), detach: true }
    this.#heldCount = this.#beginningAtEndOf(all)
    return { forward: all.subarray(0, all.length - this.#heldCount), detach: false }
  }

  /** What is held back when the input ends. */
  rest(): Buffer {
    return this.#keys.subarray(0, this.#heldCount)
  }

  #beginningAtEndOf(bytes: Buffer): number {
    let count = Math.min(this.#keys.length - 1, bytes.length)
    while (count > 0 && !bytes.subarray(-count).equals(this.#keys.subarray(0, count))) count -= 1
    return count
  }
}
