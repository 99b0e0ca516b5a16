import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  containerCgroupPath,
  missingCgroups,
  removeCgroups,
  removeMadeParents,
} from '../../../src/impl/host/container-cgroups.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

describe('removing the groups of a monitor', () => {
  it('goes on with the others when the system refuses one, and says which', async () => {
    const root = makeTempRoot()
    const groups = ['cpu', 'memory', 'pids'].map((name) => `${root}/${name}`)
    for (const group of groups) mkdirSync(group)
    // Here a directory that is not empty: rmdir says ENOTEMPTY, which no group ever does.
    writeFileSync(`${root}/memory/file`, '')
    await expect(removeCgroups(groups, new AbortController().signal)).rejects.toMatchObject({
      code: 'ERR_IO',
      file: `${root}/memory`,
      cause: { code: 'ENOTEMPTY' },
    })
    expect(groups.map((group) => existsSync(group))).toEqual([false, true, false])
  })
})

describe('the group of a container', () => {
  it.each<[string | undefined, string | undefined]>([
    [undefined, '/c1'],
    ['', '/c1'],
    ['/a/c1', '/a/c1'],
    ['a//c1/', '/a/c1'],
    ['/a/../c1', undefined],
    ['machine.slice:crio:c1', undefined],
    ['/', undefined],
  ])('with linux.cgroupsPath %j is %j', (cgroupsPath, path) => {
    const linux = cgroupsPath === undefined ? {} : { cgroupsPath }
    expect(containerCgroupPath('c1', { linux })).toBe(path)
  })
})

describe('the groups that a create is going to make', () => {
  it('are those that are not there in each hierarchy, with those above them, the deepest first', async () => {
    const root = makeTempRoot()
    mkdirSync(`${root}/cpu/pod`, { recursive: true })
    mkdirSync(`${root}/memory`)
    const mounts = ['cpu', 'memory'].map((name) => ({
      mountPoint: `${root}/${name}`,
      root: '/',
      controllers: [name],
    }))
    const missing = await missingCgroups(mounts, ['/pod/a/b', '/'])
    expect(missing.map((path) => path.slice(root.length))).toEqual([
      '/memory/pod/a/b',
      '/memory/pod/a',
      '/cpu/pod/a/b',
      '/memory/pod',
      '/cpu/pod/a',
    ])
  })

  it('are removed from the deepest on, and forgotten where the system refuses', async () => {
    const root = makeTempRoot()
    mkdirSync(`${root}/pod/a`, { recursive: true })
    writeFileSync(`${root}/file`, '')
    const shared = new Set<string>()
    await removeMadeParents([`${root}/pod`, `${root}/pod/a`, `${root}/pod/gone`, `${root}/file`], shared)
    expect(readdirSync(root)).toEqual(['file'])
    expect(shared.size).toBe(0)
  })
})
