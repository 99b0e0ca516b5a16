/**
 * Access to the root filesystems of containers. One that hangs (a network or FUSE file system whose server is gone) keeps a
 * thread of libuv's for as long as it hangs, and the embedder's process has four, for everything: state, exit files, logs. So
 * all such accesses take turns, and everybody waits for one with a limit.
 *
 * A turn is over when the access is, not when its caller has given up: until then its thread is taken.
 */
import { OciError } from '../../errors/index.ts'
import { whenExpired } from '../launcher/deadlines.ts'

/** Of four threads. One root filesystem never gets both, so that one that hangs leaves a turn to the others. */
const accessesAtOnceMax = 2
const waitingMax = 10_000
/** From asking, with the wait for a turn. A disk answers within milliseconds, on a host that is very busy within seconds. */
const accessMs = 30_000

interface Turn {
  readonly rootfs: string
  readonly begin: () => Promise<void>
}

export class RootfsAccesses {
  readonly #limitMs: number
  /** Root filesystems with an access under way. */
  readonly #busy = new Set<string>()
  readonly #waiting = new Set<Turn>()

  constructor(limitMs = accessMs) {
    this.#limitMs = limitMs
  }

  /** What `access` gives. ERR_TIMEOUT and ERR_BUSY with the root filesystem as the file, and what `access` throws. */
  async run<T>(rootfs: string, access: () => Promise<T>): Promise<T> {
    if (this.#waiting.size >= waitingMax) {
      const message = `${waitingMax} accesses to root filesystems wait already, one to ${rootfs} is not taken`
      throw new OciError('ERR_BUSY', message, { file: rootfs })
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const turn: Turn = { rootfs, begin: () => access().then(resolve, reject) }
    this.#waiting.add(turn)
    this.#next()
    const answered = new AbortController()
    whenExpired(this.#limitMs, answered.signal, () => {
      this.#waiting.delete(turn)
      reject(this.#late(rootfs))
    })
    try {
      return await promise
    } finally {
      answered.abort()
    }
  }

  #next(): void {
    for (const turn of this.#waiting) {
      if (this.#busy.size >= accessesAtOnceMax) return
      if (this.#busy.has(turn.rootfs)) continue
      this.#waiting.delete(turn)
      void this.#take(turn)
    }
  }

  async #take({ rootfs, begin }: Turn): Promise<void> {
    this.#busy.add(rootfs)
    await begin()
    this.#busy.delete(rootfs)
    this.#next()
  }

  #late(rootfs: string): OciError {
    const message = `the root filesystem ${rootfs} has not answered within ${this.#limitMs} ms: it hangs, or two others do`
    return new OciError('ERR_TIMEOUT', message, { file: rootfs })
  }
}

/** For the whole process, as the threads are. */
const accesses = new RootfsAccesses()

/** Runs what reads below the root filesystem at that path. Throws as {@link RootfsAccesses.run}. */
export function accessRootfs<T>(rootfs: string, access: () => Promise<T>): Promise<T> {
  return accesses.run(rootfs, access)
}
