/** What is in a container chooses what its /etc/passwd and /etc/group are. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ContainerRoot } from '../../src/impl/host/container-root.ts'
import { execUser } from '../../src/impl/host/exec-user.ts'
import { readIdentitySync } from '../../src/impl/process-identity.ts'
import { makeTempRoot } from '../support/temp-root.ts'

const own = { uid: 1, gid: 2 }
const refused = { code: 'ERR_INVALID_ARGUMENT', field: 'user' }

interface Tenant extends ContainerRoot {
  readonly passwd: string
  readonly group: string
}

function tenant(passwd = 'bob:x:1001:1002::/:\n', group = 'g:x:55:bob\n'): Tenant {
  const directory = makeTempRoot()
  mkdirSync(`${directory}/etc`)
  const files = { passwd: `${directory}/etc/passwd`, group: `${directory}/etc/group` }
  writeFileSync(files.passwd, passwd)
  writeFileSync(files.group, group)
  return { directory, ...files }
}

function lookUp(user: string, root: ContainerRoot) {
  return execUser({ user }, own, root)
}

describe('a tenant that replaces its user files', () => {
  const replacements: [string, (file: string) => void][] = [
    ['a FIFO', (file) => execFileSync('mkfifo', [file])],
    ['a directory', (file) => mkdirSync(file)],
    ['a link to itself', (file) => symlinkSync('passwd', file)],
    ['a link along a thousand directories', (file) => symlinkSync('../etc/'.repeat(500) + 'group', file)],
    ["a link to a file of the host's", (file) => symlinkSync('/etc/hostname', file)],
    ['a file without an end', (file) => sparse(file)],
    ['nothing but line feeds', (file) => writeFileSync(file, '\n'.repeat(4_000_000))],
    ['one line', (file) => writeFileSync(file, ':'.repeat(4_000_000))],
  ]

  it.each(replacements)('by %s gets no user by name, and numbers go on to work', async (_, replace) => {
    const root = tenant()
    rmSync(root.passwd)
    replace(root.passwd)
    await expect(lookUp('bob', root)).rejects.toMatchObject(refused)
    expect(await lookUp('1001', root)).toEqual({ uid: 1001, gid: 0 })
  })

  it('by links to the files of the host gets none of its users', async () => {
    const root = tenant()
    rmSync(`${root.directory}/etc`, { recursive: true })
    symlinkSync('../../../../../../../../etc', `${root.directory}/etc`)
    await expect(lookUp('root', root)).rejects.toMatchObject(refused)
  })

  it.runIf(process.geteuid?.() === 0)('by a device does not have it opened', async () => {
    const root = tenant()
    rmSync(root.passwd)
    // No driver has this one: its open would fail with ENXIO.
    execFileSync('mknod', [root.passwd, 'c', '511', '9999'])
    await expect(lookUp('bob', root)).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('is not a regular file') as unknown,
    })
  })

  it('with more groups than a process can have is refused', async () => {
    const lines = Array.from({ length: 70_000 }, (_, gid) => `g:x:${gid}:bob`)
    await expect(lookUp('bob', tenant(undefined, lines.join('\n')))).rejects.toMatchObject(refused)
    expect(await lookUp('1001', tenant(undefined, lines.join('\n')))).toEqual({ uid: 1001, gid: 1002 })
  })

  it('keeps a name out of what only resembles it', async () => {
    const passwd = 'bobby:x:1:1\nxbob:x:1:1\nbob\nbob:x:2\n:x:0:0\nbob:x:1001:1002\n'
    const group = 'g:x:55:bobby,xbob\nh:x:56:,bob,\ni:x:57: bob\n'
    expect(await lookUp('bob', tenant(passwd, group))).toEqual({
      uid: 1001,
      gid: 1002,
      additionalGids: [56],
    })
  })

  it('passes over lines whose ids are none', async () => {
    const wrong = ['99999999999:5', '-5:5', '0x0:0', ' 0:0', '4294967295:0', '1001:4294967295', '1e1:0', ':']
    const passwd = [...wrong, '1003:1004'].map((ids) => `bob:x:${ids}::/:`).join('\n')
    expect(await lookUp('bob', tenant(passwd, ''))).toEqual({ uid: 1003, gid: 1004 })
  })
})

describe('a tenant that calls its root by a number', () => {
  const numbers = [
    '10000000000',
    '4294967296',
    '4294967295',
    '-1',
    '+1000',
    '1e3',
    '0x3e8',
    '1000 ',
    ' 1000',
    '1000.0',
    '\t',
    '99999999999999999999999',
  ]
  const root = tenant(
    numbers.map((name) => `${name}:x:0:0::/:`).join('\n'),
    numbers.map((name) => `${name}:x:0:`).join('\n'),
  )

  it.each(numbers)('does not become root by %j', async (number) => {
    await expect(lookUp(number, root)).rejects.toMatchObject(refused)
    await expect(lookUp(`1000:${number}`, root)).rejects.toMatchObject(refused)
  })

  it('does not become root by zeros in front, which change no number', async () => {
    expect(await lookUp('00000001000', tenant('00000001000:x:0:0::/:\n'))).toEqual({ uid: 1000, gid: 0 })
  })
})

describe('a container that has ended', () => {
  it("has no user looked up in the root of the process that has its init's pid now", async () => {
    const self = readIdentitySync(process.pid)
    if (self === undefined) throw new Error('we are not in /proc')
    const directory = `/proc/${process.pid}/root`
    expect(await lookUp('root', { directory, init: self })).toMatchObject({ uid: 0, gid: 0 })
    const ended = { directory, init: { ...self, startTicks: '1' } }
    await expect(lookUp('root', ended)).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
    const gone = { directory: '/proc/999999999/root', init: { pid: 999_999_999, startTicks: '1' } }
    await expect(lookUp('root', gone)).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
  })
})

/** Needs no runtime: a process in a mount namespace of its own is as good as an init. */
describe.runIf(process.platform === 'linux' && process.geteuid?.() === 0)('a tenant that mounts', () => {
  it.runIf(existsSync('/dev/fuse'))(
    'a file system of its own that never answers is not waited for',
    async () => {
      const init = await openMountNamespace(
        'exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none "$0/etc"',
      )
      await expect(lookUp('bob', init)).rejects.toMatchObject({
        ...refused,
        message: expect.stringContaining('file system of type fuse') as unknown,
      })
      expect(await lookUp('1001', init)).toEqual({ uid: 1001, gid: 0 })
    },
  )

  it('an overlay, below which may be such a one, is not waited for', async () => {
    const init = await openMountNamespace(
      'mkdir "$0/up" "$0/work" && mount -t tmpfs none "$0/up" && mkdir "$0/up/up" "$0/up/work" && ' +
        'mount -t overlay -o "lowerdir=$0/etc,upperdir=$0/up/up,workdir=$0/up/work" none "$0/etc"',
    )
    await expect(lookUp('bob', init)).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('file system of type overlay') as unknown,
    })
  })

  it('its own files over those of the image has its users looked up there', async () => {
    const init = await openMountNamespace(
      'echo bob:x:7:8::/: >"$0/mine" && mount --bind "$0/mine" "$0/etc/passwd" && rm "$0/etc/group" && ' +
        'ln -s ../../../../mine "$0/etc/group"',
    )
    expect(await lookUp('bob', init)).toEqual({ uid: 7, gid: 8 })
  })

  it('the files of the kernel does not have them read', async () => {
    const init = await openMountNamespace(
      'mkdir "$0/proc" && mount -t proc none "$0/proc" && ln -sf ../proc/kmsg "$0/etc/passwd"',
    )
    await expect(lookUp('bob', init)).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('file system of type proc') as unknown,
    })
  })
})

/** The root of a process that has mounted as the script says, `$0` being its root, and then lives in it. */
async function openMountNamespace(script: string): Promise<ContainerRoot> {
  const { directory } = tenant()
  mkdirSync(`${directory}/bin`)
  copyFileSync('/bin/busybox', `${directory}/bin/busybox`)
  // As the root of every container is one.
  const isMount = 'mount --bind "$0" "$0"'
  const enter = 'exec chroot "$0" /bin/busybox sh -c "echo in; exec /bin/busybox sleep 1000"'
  const argv = [
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-c',
    `${isMount} && ${script} && ${enter}`,
    directory,
  ]
  const child = spawn('unshare', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    if (child.exitCode === null) await ended
  })
  const said = Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  expect(String(await said)).toBe('in\n')
  const init = readIdentitySync(child.pid ?? 0)
  if (init === undefined) throw new Error('it has ended')
  return { directory: `/proc/${init.pid}/root`, init }
}

function sparse(file: string): void {
  writeFileSync(file, '')
  truncateSync(file, 10 * 2 ** 30)
}
