import { mkdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createWatchedDirectory, type WatchFactory } from '../../src/actors/watched-directory.ts'
import { SimulatedClock } from '../../src/testing.ts'
import { puppetWatch, temporaryDirectory, type LogLine } from './exit-fixture.ts'

async function stage(watch: WatchFactory) {
  const directory = join(await temporaryDirectory(), 'exits')
  const clock = new SimulatedClock()
  const heard: string[] = []
  const logged: string[] = []
  const note = (_: object, message: LogLine['message']) => logged.push(message)
  const watched = createWatchedDirectory({
    directory,
    listener: { changed: (name) => heard.push(name), doubt: () => heard.push('doubt') },
    watch,
    clock,
    log: { debug: note, info: note, warn: note, error: note },
    rearmMinMs: 1000,
  })
  return { directory, clock, heard, logged, watched }
}

describe('a directory that is watched', () => {
  it('tells names, doubts itself where there is none, and does both for its own', async () => {
    const puppet = puppetWatch()
    const { directory, watched, heard } = await stage(puppet.watch)
    await watched.ensure()
    const [listener] = puppet.listeners
    listener?.changed('web')
    listener?.changed(null)
    listener?.changed(basename(directory))
    expect(heard).toEqual(['web', 'doubt', basename(directory), 'doubt'])
  })

  it('is watched anew when it was replaced, and says so then and only then', async () => {
    const puppet = puppetWatch()
    const { directory, watched, logged } = await stage(puppet.watch)
    await watched.ensure()
    await watched.ensure()
    expect([puppet.listeners.length, logged]).toEqual([1, []])
    await rm(directory, { recursive: true })
    await mkdir(directory)
    await watched.ensure()
    expect([puppet.listeners.length, puppet.closed]).toEqual([2, 1])
    expect(logged).toEqual(['the directory was removed or replaced and is watched anew'])
  })

  it('does not keep a watch that fails while it is being set up', async () => {
    let closed = 0
    const { watched, heard } = await stage((_, listener) => {
      listener.failed(new Error('no more'))
      return { close: () => (closed += 1) }
    })
    await watched.ensure()
    expect([watched.armed, closed, heard]).toEqual([false, 1, ['doubt']])
  })

  it('complains of a watch that breaks once, and again only after one has worked', async () => {
    const puppet = puppetWatch()
    const { clock, watched, heard, logged } = await stage(puppet.watch)
    const breakLast = async (): Promise<void> => {
      puppet.listeners.at(-1)?.failed(new Error('lost'))
      await clock.advance(1000)
      await watched.ensure()
    }
    await watched.ensure()
    await breakLast()
    await breakLast()
    expect([logged.length, heard]).toEqual([1, ['doubt', 'doubt']])
    puppet.listeners.at(-1)?.changed('web')
    await breakLast()
    expect(logged).toHaveLength(2)
  })

  it('hears nothing of a watch that it has closed, the kernel’s own included', async () => {
    const puppet = puppetWatch()
    const { clock, watched, heard, logged } = await stage(puppet.watch)
    await watched.ensure()
    watched.close()
    puppet.listeners[0]?.failed(new Error('closed'))
    expect([watched.armed, puppet.closed, heard, logged]).toEqual([false, 1, [], []])
    await clock.advance(1000)
    await watched.ensure()
    expect(watched.armed).toBe(true)
  })
})
