import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { removeCgroups } from '../../../src/impl/host/container-cgroups.ts'
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
