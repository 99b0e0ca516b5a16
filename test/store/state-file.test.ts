import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Container } from '../../src/container.ts'
import { fromDisk, readStateFile, writeStateFile } from '../../src/store/state-file.ts'
import { emptyOwnRecord, settingsOf, type StateRecord } from '../../src/store/state-record.ts'

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'state-file-test-'))
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

function made(id = 'c1'): Container {
  return new Container({ id, bundlePath: dir })
}

function recordOf(container: Container): StateRecord {
  const state = {
    ...container.state,
    status: 'running' as const,
    pid: 42,
    created: '2024-05-06T07:08:09.123456789Z',
  }
  return { state, own: { ...emptyOwnRecord, settings: settingsOf(container) } }
}

const places: [string, (path: string) => void][] = [
  ['a symbolic link', (path) => symlinkSync('/etc/hostname', path)],
  ['a FIFO', (path) => execFileSync('mkfifo', [path])],
  ['a directory', (path) => mkdirSync(path)],
  ['a file of 1 GiB', sparse],
  ['an empty file', (path) => writeFileSync(path, '')],
]

function sparse(path: string): void {
  writeFileSync(path, '')
  truncateSync(path, 1_073_741_824)
}

describe('a state file', () => {
  it('is read back as it was written, and is the only file in its directory', async () => {
    const container = made()
    const record = recordOf(container)
    await writeStateFile(container.statePath, record)
    await expect(readStateFile(container.statePath)).resolves.toEqual(record)
    expect(readdirSync(dir)).toEqual(['state.json'])
  })

  it('that does not exist is undefined', async () => {
    await expect(readStateFile(join(dir, 'state.json'))).resolves.toBeUndefined()
  })

  it.each(places)('that is %s is corrupt', async (_, make) => {
    make(join(dir, 'state.json'))
    await expect(readStateFile(join(dir, 'state.json'))).rejects.toMatchObject({
      code: 'ERR_STATE_CORRUPT',
      file: join(dir, 'state.json'),
    })
  })

  it('keeps what it held when the new record could not be read back', async () => {
    const container = made()
    await writeStateFile(container.statePath, recordOf(container))
    const before = readFileSync(container.statePath, 'utf8')
    const record = recordOf(container)
    const bad = { ...record, state: { ...record.state, pid: -1 } }
    await expect(writeStateFile(container.statePath, bad)).rejects.toMatchObject({ field: 'pid' })
    expect(readFileSync(container.statePath, 'utf8')).toBe(before)
    expect(readdirSync(dir)).toEqual(['state.json'])
  })
})

describe('fromDisk', () => {
  it('gives a container the state and the settings of its last run', async () => {
    const before = made()
    before.setMountPoint('/mnt')
    before.setIntermediateMountPoint('/intermediate')
    before.setSeccompProfilePath('/seccomp.json')
    before.setIdMappings({ uids: [{ containerID: 0, hostID: 100_000, size: 65_536 }], gids: [] })
    before.addVolume({ containerPath: '/data', hostPath: '/srv', readonly: true })
    await writeStateFile(before.statePath, recordOf(before))

    const after = made()
    await fromDisk(after)
    expect(after.state).toEqual(recordOf(before).state)
    expect(after.created).toBe(true)
    expect(settingsOf(after)).toEqual(settingsOf(before))
  })

  it('leaves alone what has been set on the container', async () => {
    const before = made()
    before.setMountPoint('/old')
    before.addVolume({ containerPath: '/old', hostPath: '/old', readonly: true })
    await writeStateFile(before.statePath, recordOf(before))

    const after = made()
    after.setMountPoint('/new')
    after.addVolume({ containerPath: '/new', hostPath: '/new', readonly: false })
    await fromDisk(after)
    expect(after.mountPoint).toBe('/new')
    expect(after.volumes).toEqual([{ containerPath: '/new', hostPath: '/new', readonly: false }])
  })

  it('fails when there is no state file', async () => {
    await expect(fromDisk(made())).rejects.toMatchObject({
      code: 'ERR_IO',
      operation: 'fromDisk',
      containerId: 'c1',
      file: join(dir, 'state.json'),
      cause: { code: 'ENOENT' },
    })
  })

  it('refuses the state of another container', async () => {
    await writeStateFile(join(dir, 'state.json'), recordOf(made('other')))
    const container = made()
    await expect(fromDisk(container)).rejects.toMatchObject({ code: 'ERR_STATE_CORRUPT', field: 'id' })
    expect(container.status).toBeUndefined()
  })

  it('refuses a container that a runtime has registered', async () => {
    const container = made()
    await writeStateFile(container.statePath, recordOf(container))
    container.bindView({
      state: container.state,
      phase: 'creating',
      since: '2024-05-06T07:08:09Z',
      waitingFor: undefined,
      execs: [],
      ownsProcess: () => false,
    })
    await expect(fromDisk(container)).rejects.toMatchObject({
      code: 'ERR_WRONG_STATUS',
      operation: 'fromDisk',
    })
  })
})
