import { join } from 'node:path'
import { readdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { openStateDirectory } from '../../src/store/state-directory.ts'
import { readStateFile } from '../../src/store/state-file.ts'
import type { StateRecord } from '../../src/store/state-record.ts'
import { makeTempRoot } from '../support/temp-root.ts'
import type { Container } from '../../src/index.ts'
import { openStage, type Stage } from './stage.ts'
import { places, ways, type Place } from './ways.ts'

async function openOnDisk(): Promise<
  Stage & { stateDir: string; dir: string; read(container: Container): Promise<StateRecord> }
> {
  const root = makeTempRoot()
  const stateDir = join(root, 'state')
  const dir = join(root, 'containers', 'one')
  const stage = await openStage({ stateDirectory: await openStateDirectory(stateDir) })
  return {
    ...stage,
    // Its directory is the embedder's choice, and is not there yet.
    describe: (program, more) => stage.describe(program, { dir, ...more }),
    created: (program, more) => stage.created(program, { dir, ...more }),
    started: (program, more) => stage.started(program, { dir, ...more }),
    stateDir,
    dir,
    read: async (container) => {
      await stage.clock.settle()
      const record = await readStateFile(container.statePath)
      if (record === undefined) throw new Error(`${container.statePath} is not there`)
      return record
    },
  }
}

const onDisk: Partial<Record<Place, string | undefined>> = {
  creating: undefined,
  cleaning: undefined,
  failed: undefined,
  created: 'created',
  starting: 'created',
  running: 'running',
  pausing: 'running',
  paused: 'paused',
  resuming: 'paused',
  'stopping.grace': 'running',
  'stopping.killing': 'running',
  // Until its exit is recorded, which is the next that is written.
  exiting: 'running',
  stopped: 'stopped',
  deleting: 'stopped',
}

describe('state.json', () => {
  it.each(places.filter((place) => place in onDisk).map((place) => [place, onDisk[place]] as const))(
    'of a container that is %s says %s',
    async (place, status) => {
      const stage = await openOnDisk()
      const container = await ways[place](stage)
      const { state, own } = await stage.read(container)
      expect(state.status).toBe(status)
      expect(state.durable).toBe(true)
      expect(container.state.durable).toBe(true)
      expect(own).toMatchObject({ handler: 'sim', runtimeRoot: stage.config.runtimes['sim']?.runtimeRoot })
      const wasCreated = status !== undefined
      expect(own.init === undefined).toBe(!wasCreated)
      expect(own.init?.startTicks).toBe(own.init && String(own.init.pid))
      expect([0, own.init?.pid]).toContain(state.pid)
      expect(own.monitor === undefined).toBe(!wasCreated)
      const hasStarted = !['creating', 'cleaning', 'failed', 'created', 'starting'].includes(place)
      expect(own.generation).toBe(hasStarted ? 1 : 0)
      const isOver = place === 'stopped' || place === 'deleting'
      expect(state.exit === undefined).toBe(!isOver)
      expect(state.pid > 0).toBe(wasCreated && !isOver)
    },
  )

  it('has the stop that set the deadline, until the exit is known', async () => {
    const stage = await openOnDisk()
    const container = await stage.started({ onTerm: 'ignore' })
    expect((await stage.read(container)).own.stop).toBeUndefined()
    const stops = [stage.runtime.stopContainer(container, Number.POSITIVE_INFINITY)]
    expect((await stage.read(container)).own.stop).toEqual({
      timeoutMs: Number.POSITIVE_INFINITY,
      requestedAt: '2020-01-01T00:00:00.000000000Z',
    })
    await stage.clock.advance(2000)
    stops.push(stage.runtime.stopContainer(container, 30), stage.runtime.stopContainer(container, 60))
    expect((await stage.read(container)).own.stop).toEqual({
      timeoutMs: 30_000,
      requestedAt: '2020-01-01T00:00:02.000000000Z',
    })
    await stage.clock.advance(1000)
    stops.push(stage.runtime.stopContainer(container, -5))
    await stage.clock.runUntil(Promise.all(stops))
    expect((await stage.read(container)).own.stop).toBeUndefined()
  })

  it('has what a container was set to at the last change', async () => {
    const stage = await openOnDisk()
    const container = await stage.created()
    container.setMountPoint('/mnt')
    await stage.runtime.startContainer(container)
    expect((await stage.read(container)).own.settings.mountPoint).toBe('/mnt')
  })

  it('and the entry in the index are there while the container is, and nothing is after it', async () => {
    const stage = await openOnDisk()
    const container = await stage.started()
    expect(readdirSync(join(stage.stateDir, 'index'))).toEqual([`${container.id}.json`])
    expect(readdirSync(stage.dir).toSorted()).toEqual(['container.json', 'state.json'])
    await stage.clock.runUntil(stage.runtime.deleteContainer(container))
    expect(readdirSync(join(stage.stateDir, 'index'))).toEqual([])
    expect(readdirSync(stage.dir)).toEqual([])
  })

  it('stays out of the directory of a container that could not get one', async () => {
    const stage = await openOnDisk()
    writeFileSync(join(stage.stateDir, 'file'), '')
    const container = stage.describe({}, { dir: join(stage.stateDir, 'file', 'one') })
    await stage.runtime.createContainer(container).catch(() => undefined)
    expect(container.phase).toBe('failed')
    await stage.runtime.deleteContainer(container)
    expect(readdirSync(stage.stateDir)).toEqual(['file', 'index'])
    expect(readdirSync(join(stage.stateDir, 'index'))).toEqual([])
  })
})
