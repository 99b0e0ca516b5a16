/**
 * A directory that is kept in place and watched: recreated when it is missing, watched anew when somebody replaced it.
 *
 * Architecture invariant: what the watch says is a hint. inotify drops events silently when its queue is full and says
 * nothing of a directory that was replaced, so nothing may depend on a hint coming. Deliberately not here: the scan.
 */
import { watch, type BigIntStats } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Clock } from '../surroundings/clock.ts'
import { errnoOf, OciError } from '../errors/index.ts'
import type { Logger } from '../surroundings/logger.ts'

export interface WatchListener {
  /** Something happened to the entry `name`; null when it is not known which. */
  changed(name: string | null): void
  /** The watch is broken or has ended. */
  failed(cause: unknown): void
}

/** Starts to watch a directory, or throws. What a watch says once it is closed is not heard. Injected in fault tests. */
export type WatchFactory = (directory: string, listener: WatchListener) => { close(): void }

export interface WatchedDirectory {
  /** False while there is no working watch, so that no hints come. */
  readonly armed: boolean
  /** Puts the directory and its watch in place if they are not. ERR_IO when the directory cannot be had. */
  ensure(): Promise<void>
  close(): void
}

export interface WatchedDirectoryOptions {
  readonly directory: string
  readonly listener: {
    /** The entry `name` may have changed. */
    changed(name: string): void
    /** Anything may have changed, the directory itself included: call `ensure`, then look for yourself. */
    doubt(): void
  }
  readonly watch: WatchFactory
  readonly clock: Clock
  readonly log: Logger
  /** A watch that breaks at once every time is set up no more often than this. */
  readonly rearmMinMs: number
}

/** All watches of an event loop share one inotify instance: libuv's. */
export const watchWithInotify: WatchFactory = (directory, listener) => {
  const watcher = watch(directory, { persistent: false })
  const fail = (cause: unknown): void => {
    listener.failed(cause)
  }
  watcher.on('change', (_event, name) => {
    listener.changed(typeof name === 'string' ? name : null)
  })
  watcher.on('error', fail)
  watcher.on('close', fail)
  return watcher
}

export function createWatchedDirectory(options: WatchedDirectoryOptions): WatchedDirectory {
  const { directory, listener, clock, log } = options
  // A directory's own events carry its own name; an entry may have that name as well.
  const ownName = basename(directory)
  // An open descriptor would be surer than a remembered identity, but as long as somebody holds one inotify does not
  // say that the directory was deleted.
  let identity: string | undefined
  let watcher: { close(): void } | undefined
  // Which watch is the present one: an earlier one may still have something to say.
  let arming = 0
  let armedAtMs = Number.NEGATIVE_INFINITY
  let complained = false

  const disarm = (): void => {
    arming += 1
    watcher?.close()
    watcher = undefined
  }

  /** Once until a hint proves that a watch works: a watch that breaks every second is not worth a line a second. */
  const complain = (cause: unknown, message: string): void => {
    if (!complained) log.warn({ directory, err: cause }, message)
    complained = true
  }

  const arm = (): void => {
    armedAtMs = clock.now()
    arming += 1
    const mine = arming
    try {
      const started = options.watch(directory, {
        changed: (name) => {
          complained = false
          if (name !== null) listener.changed(name)
          if (name === null || name === ownName) listener.doubt()
        },
        failed: (cause) => {
          if (mine !== arming) return
          complain(cause, 'the watch on the directory failed and is set up again')
          disarm()
          listener.doubt()
        },
      })
      if (mine === arming) watcher = started
      else started.close()
    } catch (error) {
      // ENOSPC, EMFILE: the user's inotify limits are used up. Scans go on without hints.
      complain(error, 'the directory cannot be watched and is only scanned')
    }
  }

  return {
    get armed() {
      return watcher !== undefined
    },
    ensure: async () => {
      // Identity before watch: should the directory be replaced in between, the next `ensure` sees that it was.
      const found = await identityOf(directory)
      if (found !== identity) {
        if (identity !== undefined)
          log.warn({ directory }, 'the directory was removed or replaced and is watched anew')
        identity = found
        disarm()
        armedAtMs = Number.NEGATIVE_INFINITY
      }
      if (watcher === undefined && clock.now() - armedAtMs >= options.rearmMinMs) arm()
    },
    close: disarm,
  }
}

/** Tells the directory from any other that takes its place, also with the same inode number. Makes it if it is missing. */
async function identityOf(directory: string): Promise<string> {
  try {
    const { dev, ino, birthtimeNs } = await statOrMake(directory)
    return `${dev}:${ino}:${birthtimeNs}`
  } catch (error) {
    throw new OciError('ERR_IO', `${directory} must be a directory that exists or can be made`, {
      file: directory,
      cause: error,
    })
  }
}

async function statOrMake(directory: string): Promise<BigIntStats> {
  // With the slash a file of that name is an error, and a link is followed.
  const path = `${directory}/`
  try {
    return await stat(path, { bigint: true })
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    await mkdir(directory, { recursive: true, mode: 0o700 })
    return stat(path, { bigint: true })
  }
}
