import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Container } from '../../src/container.ts'
import { OciError } from '../../src/errors/index.ts'
import { openStateDirectory, type Survivors } from '../../src/store/state-directory.ts'
import { emptyOwnRecord, settingsOf, type StateRecord } from '../../src/store/state-record.ts'
import { makeTempRoot } from '../support/temp-root.ts'

function recordOf(container: Container): StateRecord {
  const state = { ...container.state, status: 'running' as const, created: '2024-05-06T07:08:09.123456789Z' }
  return {
    state,
    own: { ...emptyOwnRecord, generation: 1, handler: 'crun', settings: settingsOf(container) },
  }
}

async function place() {
  const stateDir = makeTempRoot()
  const directory = await openStateDirectory(stateDir)
  if (directory.survivors === undefined) throw new Error('nothing survives')
  const prepared = async (id: string, dir = join(stateDir, 'dirs', id)): Promise<Container> => {
    const container = new Container({ id, bundlePath: dir })
    await directory.prepare(container, recordOf(container))
    return container
  }
  return { stateDir, index: join(stateDir, 'index'), directory, survivors: directory.survivors, prepared }
}

const containing = (text: string): unknown => expect.stringContaining(text)
const load = (survivors: Survivors, id: string) => survivors.load({ name: `${id}.json`, id })

describe('what survives', () => {
  it('is what was prepared, and what was written last', async () => {
    const { directory, survivors, prepared } = await place()
    const container = await prepared('c1')
    const { state, own } = recordOf(container)
    expect((await load(survivors, 'c1'))?.options).toMatchObject({ id: 'c1', dir: container.dir })
    await directory.write(container, { state: { ...state, status: 'paused' }, own })
    expect((await load(survivors, 'c1'))?.record.state.status).toBe('paused')
    expect(await survivors.list()).toEqual([{ name: 'c1.json', id: 'c1' }])
    await directory.forget(container, () => Promise.resolve())
    expect(await survivors.list()).toEqual([])
    expect(await load(survivors, 'c1')).toBeUndefined()
  })

  it('is not there any more when that is told, although the rest is refused', async () => {
    const { directory, survivors, prepared } = await place()
    const container = await prepared('c1')
    rmSync(container.statePath)
    mkdirSync(join(container.statePath, 'in-the-way'), { recursive: true })
    let listed: unknown
    const forgetting = directory.forget(container, async () => {
      listed = await survivors.list()
    })
    await expect(forgetting).rejects.toMatchObject({ code: 'ERR_IO', file: container.statePath })
    expect(listed).toEqual([])
  })

  it('has a state before it is in the index', async () => {
    const { directory, index } = await place()
    const container = new Container({ id: 'c1', bundlePath: makeTempRoot() })
    rmSync(index, { recursive: true })
    await expect(directory.prepare(container, recordOf(container))).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(readdirSync(container.dir).toSorted()).toEqual(['container.json', 'state.json'])
  })

  it('does not include what a crash cut off while it was written', async () => {
    const { stateDir, index, survivors } = await place()
    const cut = '.c1.json.0123456789abcdef.tmp'
    writeFileSync(join(index, cut), '{"id":')
    expect(await survivors.list()).toEqual([])
    await openStateDirectory(stateDir)
    expect(readdirSync(index)).toEqual([])
  })
})

describe('a file that ends too soon', () => {
  it.each(['state.json', 'container.json', 'index'])(
    'is never read as a whole one, wherever %s ends',
    { timeout: 60_000 },
    async (which) => {
      const { index, survivors, prepared } = await place()
      const { dir } = await prepared('c1')
      const file = which === 'index' ? join(index, 'c1.json') : join(dir, which)
      const whole = readFileSync(file)
      // The last byte is a newline, without which it is whole all the same.
      for (let bytes = 0; bytes < whole.length - 1; bytes += 1) {
        writeFileSync(file, whole.subarray(0, bytes))
        await expect(load(survivors, 'c1'), `${bytes} bytes`).rejects.toMatchObject({
          code: 'ERR_STATE_CORRUPT',
        })
      }
      writeFileSync(file, whole)
      await expect(load(survivors, 'c1')).resolves.toBeDefined()
    },
  )
})

interface Scene {
  readonly dir: string
  readonly index: string
  readonly other: Container
}

const stateOf = (dir: string): string => join(dir, 'state.json')
const containerOf = (dir: string): string => join(dir, 'container.json')

const misfits: [string, (scene: Scene) => void][] = [
  ['whose directory is gone', ({ dir }) => rmSync(dir, { recursive: true })],
  ['whose directory is a link', linkDirectory],
  ['whose directory everybody can write to', ({ dir }) => chmodSync(dir, 0o777)],
  ['without container.json', ({ dir }) => unlinkSync(containerOf(dir))],
  ['without state.json', ({ dir }) => unlinkSync(stateOf(dir))],
  [
    'with the state of another',
    ({ dir, other }) => writeFileSync(stateOf(dir), readFileSync(other.statePath)),
  ],
  [
    'with the description of another',
    ({ dir, other }) => writeFileSync(containerOf(dir), readFileSync(containerOf(other.dir))),
  ],
  ['whose entry names another’s directory', ({ index, other }) => entry(index, { id: 'c1', dir: other.dir })],
  ['whose entry names another container', ({ index, dir }) => entry(index, { id: 'other', dir })],
  ['whose entry names no absolute directory', ({ index }) => entry(index, { id: 'c1', dir: 'relative' })],
  ['whose state others can write to', ({ dir }) => chmodSync(stateOf(dir), 0o666)],
  ['whose entry others can write to', ({ index }) => chmodSync(join(index, 'c1.json'), 0o620)],
  ['whose state is a FIFO', ({ dir }) => replaceBy(stateOf(dir), (file) => execFileSync('mkfifo', [file]))],
  [
    'whose state is a link',
    ({ dir }) => replaceBy(stateOf(dir), (file) => symlinkSync('/etc/hostname', file)),
  ],
  ['whose entry is a directory', ({ index }) => replaceBy(join(index, 'c1.json'), (file) => mkdirSync(file))],
]

function linkDirectory({ dir }: Scene): void {
  renameSync(dir, `${dir}-elsewhere`)
  symlinkSync(`${dir}-elsewhere`, dir)
}

function entry(index: string, content: { id: string; dir: string }): void {
  writeFileSync(join(index, 'c1.json'), JSON.stringify(content))
}

function replaceBy(file: string, make: (file: string) => void): void {
  unlinkSync(file)
  make(file)
}

describe('a container', () => {
  it.each(misfits)('%s cannot be trusted', async (_, spoil) => {
    const { index, survivors, prepared } = await place()
    const { dir } = await prepared('c1')
    spoil({ dir, index, other: await prepared('other') })
    await expect(load(survivors, 'c1')).rejects.toMatchObject({ code: 'ERR_STATE_CORRUPT' })
  })

  it.runIf(process.geteuid?.() === 0)('whose files are somebody else’s cannot be trusted', async () => {
    const { index, survivors, prepared } = await place()
    const { dir } = await prepared('c1')
    for (const path of [stateOf(dir), containerOf(dir), join(index, 'c1.json'), dir]) {
      chownSync(path, 4242, 4242)
      await expect(load(survivors, 'c1')).rejects.toMatchObject({
        code: 'ERR_STATE_CORRUPT',
        message: containing('belongs to user 4242'),
      })
      chownSync(path, 0, 0)
    }
    await expect(load(survivors, 'c1')).resolves.toBeDefined()
  })

  it('in an entry that is no container’s name cannot be trusted', async () => {
    const { index, survivors } = await place()
    writeFileSync(join(index, 'stranger'), '')
    const [found] = await survivors.list()
    expect(found).toEqual({ name: 'stranger', id: undefined })
    await expect(survivors.load({ name: 'stranger', id: undefined })).rejects.toMatchObject({
      code: 'ERR_STATE_CORRUPT',
    })
  })
})

describe('quarantine', () => {
  it('takes the entry out of the index, keeps the reason, and touches nothing else, twice of one name', async () => {
    const { stateDir, index, survivors, prepared } = await place()
    const { dir } = await prepared('c1')
    const reason = new OciError('ERR_STATE_CORRUPT', 'is torn')
    const first = await survivors.quarantine({ name: 'c1.json', id: 'c1' }, reason)
    writeFileSync(join(index, 'c1.json'), 'again')
    const second = await survivors.quarantine({ name: 'c1.json', id: 'c1' }, reason)
    expect([first, second]).toEqual(
      ['c1.json', 'c1.json.2'].map((name) => join(stateDir, 'quarantine', name)),
    )
    expect(JSON.parse(readFileSync(`${first}.reason`, 'utf8'))).toMatchObject({
      code: 'ERR_STATE_CORRUPT',
      message: 'is torn',
    })
    expect(readFileSync(second, 'utf8')).toBe('again')
    expect(readdirSync(index)).toEqual([])
    expect(readdirSync(dir).toSorted()).toEqual(['container.json', 'state.json'])
  })
})
