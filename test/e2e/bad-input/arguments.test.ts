/** Ids, handlers, paths, names and labels as somebody hostile, or careless, would give them. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Container, isOciError, type ContainerOptions, type OciError } from '../../../src/index.ts'
import {
  expectFailedCreate,
  expectPlainWords,
  matching,
  openBadHost,
  rejection,
  runtimeNames,
} from './bad-host.ts'

function thrown(action: () => unknown): OciError {
  try {
    action()
  } catch (error) {
    if (isOciError(error)) return error
    throw error
  }
  throw new Error('it succeeded')
}

describe('an id', () => {
  it.each<[string, unknown]>([
    ['empty', ''],
    ['with a slash', 'a/b'],
    ['absolute', '/etc'],
    ['the directory itself', '.'],
    ['the parent', '..'],
    ['climbing', '../../etc'],
    ['of 129 characters', 'a'.repeat(129)],
    ['of 200 characters', 'a'.repeat(200)],
    ['with a newline', 'a\nb'],
    ['ending in a newline', 'a\n'],
    ['with a NUL', 'a\0b'],
    ['an option', '-c'],
    ['with a blank', 'a b'],
    ['with a letter beyond ASCII', 'ä'],
    ['with an escape sequence', 'a\u001B[2J'],
    ['a number', 5],
    ['missing', undefined],
  ])('%s is refused before anything exists', (_, id) => {
    const options = { bundlePath: '/tmp/b', id: 'c1' }
    Object.assign(options, { id })
    const error = thrown(() => new Container(options))
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'id' })
    expect(error.message).toContain('must be 1 to 128 characters')
    expect(error.message.length).toBeLessThan(400)
    expect(error.message).not.toMatch(/\p{Cc}/u)
  })

  it.each(['a..b', 'a.b', 'a-', 'A_9', 'a'.repeat(120)])('%s is good', async (id) => {
    const host = await openBadHost()
    await host.expectGoodContainer(`${id}${process.pid}`.padEnd(id.length < 100 ? 0 : 128, 'z'))
    expect(host.runtime.containers.size).toBe(0)
  })
})

describe.each(runtimeNames)('on %s', (runtimeName) => {
  it('a second container with a living id is refused and the first does not notice', async () => {
    const host = await openBadHost({ runtime: runtimeName })
    const first = await host.container()
    await host.runtime.createContainer(first)
    await host.runtime.startContainer(first)
    const before = host.files()
    const second = new Container({ id: first.id, bundlePath: first.bundlePath })
    const error = await rejection(host.runtime.createContainer(second))
    expect(error).toMatchObject({
      code: 'ERR_CONTAINER_EXISTS',
      containerId: first.id,
      operation: 'createContainer',
    })
    expect(error.message).toContain('running')
    expect(await rejection(host.runtime.deleteContainer(second))).toMatchObject({ code: 'ERR_NOT_FOUND' })
    expect(host.files()).toEqual(before)
    expect(host.runtime.containers.get(first.id)).toBe(first)
    await host.runtime.stopContainer(first, 0)
    expect(first.state.exit).toMatchObject({ kind: 'code', code: 137 })
    await host.runtime.deleteContainer(first)
  })

  it('an unknown handler is refused by name, with the known ones', async () => {
    const host = await openBadHost({ runtime: runtimeName })
    for (const runtimeHandler of ['nope', '__proto__', 'constructor', '../good']) {
      const container = await host.container({ runtimeHandler })
      const before = host.files()
      const error = await rejection(host.runtime.createContainer(container))
      expect(error).toMatchObject({ code: 'ERR_UNKNOWN_HANDLER', field: 'runtimeHandler' })
      expect(error.message).toContain('bad, good')
      expect(host.files()).toEqual(before)
      expect(host.runtime.containers.get(container.id)).toBeUndefined()
    }
    await host.expectGoodContainer()
  })

  it('values that look like options, commands or settings are inert', async () => {
    const host = await openBadHost({ runtime: runtimeName })
    const canary = join(host.root, 'canary')
    const evil = `a+kernel.core_pattern=|${canary} $(touch ${canary}) \`touch ${canary}\`; touch ${canary}`
    const labels = {
      '--exit-dir': '/etc',
      'io.containerd.runc.v2.group': 'x',
      'binary:///bin/touch': canary,
      'multi\nline': 'a\nLD_PRELOAD=/evil',
      __proto__: 'x',
      'org.systemd.property.ExecStartPre': evil,
    }
    const container = await host.container({
      name: '--exit-dir',
      labels,
      annotations: { ...labels, evil },
      crioAnnotations: labels,
      image: evil,
      sandbox: '../../..',
      args: ['/bin/sh', '-c', 'env > /dev/stdout; sleep 1000'],
      change: (spec) => {
        if (spec.process !== undefined) spec.process.env = [`EVIL=${evil}`, 'HOME=/\nroot::0:0::/:/bin/sh']
      },
    })
    const bundled = readFileSync(join(container.bundlePath, 'config.json'), 'utf8')
    await host.runtime.createContainer(container)
    await host.runtime.startContainer(container)
    const monitor = readFileSync(join(container.bundlePath, 'conmon-pidfile'), 'utf8').trim()
    const argv = readFileSync(`/proc/${monitor}/cmdline`, 'utf8').split('\0')
    expect(argv[argv.indexOf('-n') + 1]).toBe('--exit-dir')
    expect(argv[argv.indexOf('--exit-dir') + 1]).toBe(host.config.containerExitsDir)
    expect(argv.join(' ')).not.toMatch(/kernel\.core_pattern|LD_PRELOAD|binary:|systemd/)
    const names = readFileSync(`/proc/${monitor}/environ`, 'utf8')
      .split('\0')
      .filter(Boolean)
      .map((line) => line.split('=')[0])
    const allowed = new Set(['PATH', 'LANG', 'XDG_RUNTIME_DIR', '_OCI_STARTPIPE', '_OCI_SYNCPIPE'])
    expect(names.filter((variable) => !allowed.has(variable ?? ''))).toEqual([])
    expect(readFileSync(`/proc/${container.state.pid}/environ`, 'utf8')).toContain(`EVIL=${evil}\0`)
    expect(readFileSync(join(container.bundlePath, 'config.json'), 'utf8')).toBe(bundled)
    expect(container.state.annotations).toMatchObject({ evil })
    await host.runtime.deleteContainer(container)
    expect(host.files()).not.toContain(canary)
    expect(host.traces(container)).toEqual([])
  })
})

describe('a path', () => {
  it.each<[keyof ContainerOptions, string]>([
    ['bundlePath', 'relative/bundle'],
    ['bundlePath', '/tmp/../etc'],
    ['bundlePath', '/tmp/a\0b'],
    ['bundlePath', ''],
    ['bundlePath', `/${'x'.repeat(5000)}`],
    ['logPath', '../log'],
    ['logPath', '/var/log/../../etc/passwd'],
    ['logPath', '/tmp/log\0.txt'],
    ['dir', '/tmp/..'],
    ['netns', 'proc/1/ns/net'],
  ])('as %s of %j is refused before anything exists', (field, path) => {
    const error = thrown(() => new Container({ id: 'c1', bundlePath: '/tmp/b', [field]: path }))
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field })
    expect(error.message).toMatch(/must (?:be an absolute path|have at most)/)
    expectPlainWords(error)
  })

  it.each<[string, (root: string) => string, RegExp]>([
    [
      'is a link to a file of somebody else',
      (root) => {
        writeFileSync(`${root}/passwd`, 'precious')
        symlinkSync(`${root}/passwd`, `${root}/log`)
        return `${root}/log`
      },
      /regular file/,
    ],
    [
      'is a link that leads nowhere',
      (root) => {
        symlinkSync('/nowhere', `${root}/log`)
        return `${root}/log`
      },
      /regular file/,
    ],
    [
      'is a directory',
      (root) => {
        mkdirSync(`${root}/log`)
        return `${root}/log`
      },
      /regular file/,
    ],
    ['is a device', () => '/dev/null', /regular file/],
    ['is in no directory', (root) => `${root}/no/such/log`, /directory that exists/],
    ['is below a file', () => '/etc/passwd/log', /directory that exists/],
    ['names a log driver', (root) => `${root}/journald:x`, /colon/],
  ])('of a log that %s is refused', async (_, prepare, words) => {
    const host = await openBadHost()
    const logPath = prepare(host.root)
    const container = await host.container({ logPath })
    const before = host.files()
    const error = await rejection(host.runtime.createContainer(container))
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'logPath',
      containerId: container.id,
      operation: 'createContainer',
      message: matching(words),
    })
    await host.runtime.deleteContainer(container)
    expect(host.files()).toEqual(before)
    await host.expectGoodContainer(container.id)
  })

  it('of a cgroup parent that climbs is refused', async () => {
    const host = await openBadHost()
    for (const parent of ['../x', '/a/../b', '/a/./b', 'a\nb', 'a\0b']) {
      const container = await host.container()
      const error = await rejection(host.runtime.createContainer(container, parent))
      expect(error).toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        field: 'cgroupParent',
        operation: 'createContainer',
      })
      await host.runtime.deleteContainer(container)
      expect(host.traces(container)).toEqual([])
    }
  })
})

describe('a command that cannot be run', () => {
  it.each<[string, string[], string]>([
    ['missing', ['/no/such/command'], 'ERR_COMMAND_NOT_FOUND'],
    ['not executable', ['/etc'], 'ERR_COMMAND_NOT_EXECUTABLE'],
  ])('because it is %s has a code of its own', async (_, args, code) => {
    const host = await openBadHost()
    await expectFailedCreate(host, { code }, { args })
  })
})
