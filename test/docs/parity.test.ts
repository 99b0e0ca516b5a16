/** docs/parity.md against the list of the seed's names on one side, and against what we export on the other. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  Container,
  defineConfig,
  memoryStateDirectory,
  MemoryStore,
  Runtime,
  type ContainerOptions,
  type ContainerStats,
  type ContainerVolume,
} from '../../src/index.ts'
import { SimulatedRuntime } from '../../src/testing.ts'
import { seedSymbols } from './seed-symbols.ts'

const project = join(import.meta.dirname, '..', '..')

interface Row {
  readonly seed: string
  readonly ours: string
  readonly file: string
}

const rows = readFileSync(join(project, 'docs/parity.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line): Row => {
    const [seed = '', ours = '', file = ''] = line.split('|').slice(1).map(cell)
    return { seed, ours, file }
  })

/** What stands in a table's cell, without the marks of code. */
function cell(text: string): string {
  return text.trim().replaceAll('`', '')
}

/** Names, types included, that the two entries of the package export. */
const exported = new Set(
  ['src/index.ts', 'src/testing.ts'].flatMap((path) => {
    const text = readFileSync(join(project, path), 'utf8')
    const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)]
    const names = lists.flatMap(([, list = '']) => list.split(','))
    const functions = [...text.matchAll(/^export function (\w+)/gm)].map(([, name = '']) => name)
    return [...names.map((name) => name.trim().replace(/^type /, '')), ...functions]
  }),
)

const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
const runtime = await Runtime.open(config, {
  implementations: { sim: () => new SimulatedRuntime() },
  stateDirectory: memoryStateDirectory(),
})
const container = new Container({ id: 'parity', bundlePath: '/bundles/parity' })
await runtime.createContainer(container)
afterAll(async () => {
  await runtime.deleteContainer(container)
  await runtime.close()
})

const volume: ContainerVolume = { containerPath: '/data', hostPath: '/srv', readonly: true }
/** Held complete by its type. */
const options: Record<keyof ContainerOptions, true> = {
  id: true,
  name: true,
  bundlePath: true,
  logPath: true,
  netns: true,
  labels: true,
  crioAnnotations: true,
  annotations: true,
  image: true,
  imageName: true,
  imageRef: true,
  metadata: true,
  sandbox: true,
  terminal: true,
  stdin: true,
  stdinOnce: true,
  privileged: true,
  runtimeHandler: true,
  dir: true,
  createdAt: true,
  stopSignal: true,
}

/** The seed's fields; the type sees to it that they are ours. */
const stats: { [Field in keyof ContainerStats]?: true } = {
  container: true,
  cpu: true,
  cpuNano: true,
  systemNano: true,
  memUsage: true,
  memLimit: true,
  memPerc: true,
  netInput: true,
  netOutput: true,
  blockInput: true,
  blockOutput: true,
  pids: true,
}

/** Something of each type whose members the tables name. */
const samples: Readonly<Record<string, object | undefined>> = {
  Config: config,
  Container: container,
  ContainerOptions: options,
  ContainerState: container.state,
  ContainerStats: stats,
  ContainerStore: new MemoryStore(),
  ContainerVolume: volume,
  Runtime: runtime,
  RuntimeFacade: runtime.runtimeImpl(container),
  RuntimeHandler: config.runtimes['sim'],
}

function exists(ours: string): boolean {
  const [owner = '', member] = ours.split('.')
  if (!exported.has(owner)) return false
  if (member === undefined) return true
  if (ours === 'Runtime.open') return 'open' in Runtime
  const sample = samples[owner]
  return sample !== undefined && member in sample
}

describe('docs/parity.md', () => {
  it('has each symbol of the seed exactly once, and no other', () => {
    expect(new Set(seedSymbols).size).toBe(seedSymbols.length)
    expect(rows.map(({ seed }) => seed).toSorted()).toEqual(seedSymbols.toSorted())
  })

  it('names only what is exported, or a member of it', () => {
    const invented = rows.filter(({ ours }) => !exists(ours))
    expect(invented).toEqual([])
  })

  it('names the file where it is', () => {
    const wrong = rows.filter(({ ours, file }) => {
      const path = join(project, 'src', file)
      const name = ours.split('.').at(-1) ?? ''
      return !existsSync(path) || !new RegExp(`\\b${name}\\b`).test(readFileSync(path, 'utf8'))
    })
    expect(wrong).toEqual([])
  })

  it('would find a name that nobody exports', () => {
    expect(exists('Runtime.createContainer')).toBe(true)
    expect(exists('Runtime.noSuchVerb')).toBe(false)
  })
})
