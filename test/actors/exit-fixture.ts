/** What the tests of the exit stream share: a directory, writers in conmon's manner, watches that misbehave. */
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openExitEvents, type ExitEvents, type ExitEventsOptions } from '../../src/actors/exit-events.ts'
import type { WatchFactory, WatchListener } from '../../src/actors/watched-directory.ts'
import type { ExitFact } from '../../src/impl/runtime-impl.ts'

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

export interface Fixture {
  readonly directory: string
  readonly events: ExitEvents
  readonly facts: ExitFact[]
  readonly log: LogLine[]
  /** What conmon does: a temporary name beside, then a rename. */
  readonly exit: (id: string, content: string) => Promise<void>
  /** The ids reported so far, in order of name. */
  readonly ids: () => string[]
}

/** An open, subscribed stream over a fresh directory; everything is gone when the test ends. */
export async function openFixture(options: Partial<ExitEventsOptions> = {}): Promise<Fixture> {
  const directory = options.directory ?? join(await temporaryDirectory(), 'exits')
  const log: LogLine[] = []
  const logAt = (level: LogLine['level']) => (fields: object, message: string) => {
    log.push({ level, fields: { ...fields }, message })
  }
  const logger = { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') }
  const events = await openExitEvents({ directory, logger, ...options })
  onTestFinished(() => events.close())
  const facts: ExitFact[] = []
  events.exits$.subscribe((fact) => facts.push(fact))
  return {
    directory,
    events,
    facts,
    log,
    exit: (id, content) => writeExit(directory, id, content),
    ids: () => facts.map((fact) => fact.id).toSorted((a, b) => a.localeCompare(b)),
  }
}

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'exits-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export async function writeExit(directory: string, id: string, content: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const temporary = join(directory, `${id}.${Math.random().toString(36).slice(2, 8).padEnd(6, 'x')}`)
  await writeFile(temporary, content)
  await rename(temporary, join(directory, id))
}

/** The inotify instances of this process, each with the number of its watches. */
export async function inotifyInstances(): Promise<number[]> {
  const infos = await Promise.all((await readdir('/proc/self/fd')).map((fd) => inotifyWatches(fd)))
  return infos.filter((watches) => watches !== undefined)
}

async function inotifyWatches(fd: string): Promise<number | undefined> {
  // The descriptor with which the directory was listed is gone by now.
  const link = await readlink(`/proc/self/fd/${fd}`).catch(() => 'gone')
  if (link !== 'anon_inode:inotify') return undefined
  return (await readFile(`/proc/self/fdinfo/${fd}`, 'latin1')).split('inotify wd:').length - 1
}

/** A watch that never says anything: what a full inotify queue looks like. */
export const deafWatch: WatchFactory = () => ({ close: () => undefined })

/** A watch driven by the test. */
export function puppetWatch(): {
  readonly watch: WatchFactory
  readonly listeners: WatchListener[]
  closed: number
} {
  const puppet = {
    listeners: [] as WatchListener[],
    closed: 0,
    watch: ((_directory, listener) => {
      puppet.listeners.push(listener)
      return {
        close: () => {
          puppet.closed += 1
        },
      }
    }) satisfies WatchFactory,
  }
  return puppet
}
