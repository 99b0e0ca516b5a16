import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { ContainerRoot } from '../../../src/impl/host/container-root.ts'
import { execUser } from '../../../src/impl/host/exec-user.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

const own = { uid: 1, gid: 2, umask: 18, additionalGids: [3] }
const passwd =
  'root:x:0:0:root:/root:/bin/sh\n#comment\nbroken:x:a:b\nalice:x:1000:1001::/:/bin/sh\nbj\u00f6rn:x:1002:1002::/:'
const group = 'staff:x:50:bob,alice\nempty:x:60:\nlast:x:70:bj\u00f6rn'

function rootfs(files: Record<string, string> = { passwd, group }): ContainerRoot {
  const directory = makeTempRoot()
  mkdirSync(`${directory}/etc`)
  for (const [name, text] of Object.entries(files)) writeFileSync(`${directory}/etc/${name}`, text)
  return { directory }
}

describe('the user of an exec', () => {
  it.each([
    [undefined, { uid: 1, gid: 2, additionalGids: [3] }],
    ['alice', { uid: 1000, gid: 1001, additionalGids: [50] }],
    ['1000', { uid: 1000, gid: 1001, additionalGids: [50] }],
    ['alice:staff', { uid: 1000, gid: 50 }],
    ['alice:7', { uid: 1000, gid: 7 }],
    ['77', { uid: 77, gid: 0 }],
    ['77:88', { uid: 77, gid: 88 }],
    ['4294967294:4294967294', { uid: 4_294_967_294, gid: 4_294_967_294 }],
    ['bj\u00f6rn', { uid: 1002, gid: 1002, additionalGids: [70] }],
    [
      { uid: 4, gid: 5, additionalGids: [6] },
      { uid: 4, gid: 5, additionalGids: [6] },
    ],
  ])('%j is found', async (user, expected) => {
    expect(await execUser({ user }, own, rootfs())).toEqual({ umask: 18, ...expected })
  })

  it('has the extra groups, each once', async () => {
    const { additionalGids } = await execUser({ user: 'alice', additionalGids: [9, 50] }, own, rootfs())
    expect(additionalGids).toEqual([50, 9])
  })

  it.each(['', ':', 'a:b:c', 'nobody', 'alice:nothing', 'broken', '4294967295', '1:4294967295', '-1'])(
    'is not %j',
    async (user) => {
      await expect(execUser({ user }, own, rootfs())).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        field: 'user',
      })
    },
  )

  it('needs no files when both ids are numbers', async () => {
    expect(await execUser({ user: '5:6' }, own, { directory: '/nonexistent' })).toMatchObject({
      uid: 5,
      gid: 6,
    })
  })

  it('by number has group 0 where no file has it', async () => {
    const empty = { directory: makeTempRoot() }
    const imageOfDisk = { directory: '/proc/self/status' }
    for (const root of [empty, { directory: '/nonexistent' }, imageOfDisk])
      expect(await execUser({ user: '1000' }, own, root)).toEqual({ umask: 18, uid: 1000, gid: 0 })
  })

  it('that is given does not have the groups of the container, which are those of its own user', async () => {
    const { additionalGids } = await execUser({ user: '77' }, own, rootfs())
    expect(additionalGids).toBeUndefined()
  })

  it('is looked up behind links as the container sees them', async () => {
    const root = rootfs({})
    const store = `${root.directory}/store/a`
    mkdirSync(store, { recursive: true })
    writeFileSync(`${store}/passwd`, passwd)
    writeFileSync(`${root.directory}/store/group`, group)
    symlinkSync('/../store/./b/passwd', `${root.directory}/etc/passwd`)
    symlinkSync('../../../../store/a', `${root.directory}/store/b`)
    symlinkSync('../store/group', `${root.directory}/etc/group`)
    expect(await execUser({ user: 'alice' }, own, root)).toMatchObject({ uid: 1000, additionalGids: [50] })
  })
})
