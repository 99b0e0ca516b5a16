import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { execUser } from '../../../src/impl/host/exec-user.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

const own = { uid: 1, gid: 2, umask: 18, additionalGids: [3] }
const passwd = 'root:x:0:0:root:/root:/bin/sh\n#comment\nbroken:x:a:b\nalice:x:1000:1001::/:/bin/sh\n'
const group = 'staff:x:50:bob,alice\nempty:x:60:\n'

function rootfs(files: Record<string, string> = { passwd, group }): string {
  const root = makeTempRoot()
  mkdirSync(`${root}/etc`)
  for (const [name, text] of Object.entries(files)) writeFileSync(`${root}/etc/${name}`, text)
  return root
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

  it.each(['', ':', 'a:b:c', 'nobody', 'alice:nothing', 'broken', '4000000000', '1:2147483648', '-1'])(
    'is not %j',
    async (user) => {
      await expect(execUser({ user }, own, rootfs())).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        field: 'user',
      })
    },
  )

  it('needs no files when both ids are numbers', async () => {
    expect(await execUser({ user: '5:6' }, own, '/nonexistent')).toMatchObject({ uid: 5, gid: 6 })
  })

  it('is not looked up through a link, a FIFO or a file without an end', async () => {
    const outside = rootfs()
    const refused = { code: 'ERR_INVALID_ARGUMENT', field: 'user' }
    const linkedFile = rootfs({})
    symlinkSync(`${outside}/etc/passwd`, `${linkedFile}/etc/passwd`)
    await expect(execUser({ user: 'alice' }, own, linkedFile)).rejects.toMatchObject(refused)
    const linkedDirectory = makeTempRoot()
    symlinkSync(`${outside}/etc`, `${linkedDirectory}/etc`)
    await expect(execUser({ user: 'alice' }, own, linkedDirectory)).rejects.toMatchObject(refused)
    const fifo = rootfs({})
    execFileSync('mkfifo', [`${fifo}/etc/passwd`])
    await expect(execUser({ user: 'alice' }, own, fifo)).rejects.toMatchObject(refused)
    const huge = rootfs({ passwd: 'x'.repeat(5 * 1024 * 1024) })
    await expect(execUser({ user: 'alice' }, own, huge)).rejects.toMatchObject(refused)
  })
})
