/** Bundles that are none: what stands in the place of config.json, and what stands in it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Container, defaultSpec, type OciSpec } from '../../../src/index.ts'
import { makeContainerId } from '../../support/temp-root.ts'
import {
  containing,
  expectPlainWords,
  openBadHost,
  rejection,
  runtimeNames,
  type BadHost,
} from './bad-host.ts'

const write = (text: string) => (file: string) => writeFileSync(file, text)
const spec = (change: object) =>
  write(JSON.stringify({ ociVersion: '1.0.2', process: { args: ['/bin/true'] }, ...change }))

/** Creating is refused, nothing changes, the bundle can be repaired and the same id used. */
async function expectRefused(host: BadHost, container: Container, expected: object): Promise<void> {
  const file = `${container.bundlePath}/config.json`
  const before = host.files()
  const error = await rejection(host.runtime.createContainer(container))
  expect(error).toMatchObject({
    code: 'ERR_BUNDLE',
    containerId: container.id,
    operation: 'createContainer',
    file,
    ...expected,
  })
  expect(error.message).toContain(file)
  expectPlainWords(error)
  expect(container.phase).toBe('failed')
  expect(host.traces(container).filter((line) => !line.includes('config.json'))).toEqual([])
  await host.runtime.deleteContainer(container)
  expect(host.files()).toEqual(before)
  await host.expectGoodContainer(container.id)
}

describe('a config.json', () => {
  it.each<[string, (file: string) => void, object]>([
    ['that is missing', () => undefined, { message: containing('does not exist') }],
    ['that is empty', write(''), { message: containing('is not JSON') }],
    ['that is not JSON', write('{"ociVersion": "1.0.2",'), { message: containing('is not JSON') }],
    ['that is not UTF-8', (file) => writeFileSync(file, Buffer.from([0x7b, 0xff, 0x7d])), {}],
    ['that is a list', write('[]'), { message: containing('must be a JSON object') }],
    ['without a version', spec({ ociVersion: undefined }), { field: 'ociVersion' }],
    ['without a process', spec({ process: undefined }), { field: 'process' }],
    ['without a command', spec({ process: { args: [] } }), { field: 'process.args' }],
    ['whose command is a number', spec({ process: { args: [5] } }), { field: 'process.args.0' }],
    [
      'whose command has a NUL',
      spec({ process: { args: ['/bin/true', 'a\0b'] } }),
      { field: 'process.args.1' },
    ],
    [
      'whose environment has a NUL',
      spec({ process: { args: ['/bin/true'], env: ['A=b\0LD_PRELOAD=/evil'] } }),
      { field: 'process.env.0' },
    ],
    ['whose root has a NUL', spec({ root: { path: '/a\0/b' } }), { field: 'root.path' }],
    ['whose annotations have a NUL', spec({ annotations: { 'a\0b': 'c' } }), { field: 'annotations' }],
    [
      'that wants a terminal which the container has not',
      spec({ process: { args: ['/bin/true'], terminal: true } }),
      { field: 'process.terminal' },
    ],
    [
      'that is a FIFO',
      (file) => void execFileSync('mkfifo', [file]),
      { message: containing('is not a regular file') },
    ],
    ['that is a directory', (file) => mkdirSync(file), { message: containing('is not a regular file') }],
    ['that is a link', (file) => symlinkSync('/etc/passwd', file), { message: containing('symbolic link') }],
    [
      'of 1 GiB',
      (file) => {
        writeFileSync(file, '')
        truncateSync(file, 2 ** 30)
      },
      { message: containing('larger than 4194304 bytes') },
    ],
  ])('%s is refused', async (_, make, expected) => {
    const host = await openBadHost()
    const container = await host.container()
    const file = `${container.bundlePath}/config.json`
    rmSync(file)
    make(file)
    await expectRefused(host, container, expected)
    // A FIFO is somebody's end of a conversation.
    rmSync(file, { recursive: true, force: true })
  })

  it('nested two million times is refused for that', async () => {
    const host = await openBadHost()
    const container = await host.container()
    const depth = 1_900_000
    writeFileSync(
      `${container.bundlePath}/config.json`,
      `{"ociVersion":"1.0.2","process":{"args":["/bin/true","\\u0000"]},"x":${'['.repeat(depth)}${']'.repeat(depth)}}`,
    )
    await expectRefused(host, container, { message: containing('100 levels') })
  })

  it.each(['FIFO', 'sparse'])('that is %s is refused also when a spec was given', async (kind) => {
    const host = await openBadHost()
    const container = await host.container()
    const file = `${container.bundlePath}/config.json`
    container.setSpec(defaultSpec({ rootfs: `${host.root}/rootfs`, args: ['/bin/true'] }))
    rmSync(file)
    if (kind === 'FIFO') execFileSync('mkfifo', [file])
    else {
      writeFileSync(file, '')
      truncateSync(file, 2 ** 30)
    }
    await expectRefused(host, container, { message: containing('must be a regular file') })
    rmSync(file)
  })

  it('given to setSpec is judged alike', async () => {
    const host = await openBadHost()
    const container = await host.container()
    const given = defaultSpec({ rootfs: '/r', args: ['/bin/true'] })
    if (given.process !== undefined) given.process.env = ['A=\0']
    container.setSpec(given)
    expect(await rejection(host.runtime.createContainer(container))).toMatchObject({
      code: 'ERR_BUNDLE',
      field: 'process.env.0',
      operation: 'createContainer',
    })
    await host.runtime.deleteContainer(container)
  })

  it('in a bundle that does not exist is refused, and no bundle is left', async () => {
    const host = await openBadHost()
    const bundlePath = `${host.root}/none`
    const container = new Container({
      id: makeContainerId('bad'),
      bundlePath,
      dir: `${host.root}/dir`,
      logPath: `${host.root}/log`,
    })
    const error = await rejection(host.runtime.createContainer(container))
    expect(error).toMatchObject({ code: 'ERR_BUNDLE', file: `${bundlePath}/config.json` })
    await host.runtime.deleteContainer(container)
    expect(host.files().filter((file) => file.startsWith(bundlePath))).toEqual([])
  })
})

describe.each(runtimeNames)('a spec that %s refuses', (runtime) => {
  it.each<[string, (given: OciSpec) => void]>([
    ['because its root filesystem is missing', (given) => (given.root = { path: '/nowhere/rootfs' })],
    [
      'because a mount has no source',
      (given) =>
        void given.mounts?.push({ destination: '/x', type: 'bind', source: '/nowhere', options: ['bind'] }),
    ],
    ['because of a namespace of no kind', (given) => void given.linux?.namespaces?.push({ type: 'dream' })],
    [
      'because of a sysctl of the host',
      (given) => void (given.linux = { ...given.linux, sysctl: { 'kernel.core_pattern': '|/evil' } }),
    ],
  ])('%s leaves nothing', async (_, change) => {
    const host = await openBadHost({ runtime })
    const container = await host.container({ change })
    const before = host.files()
    const error = await rejection(host.runtime.createContainer(container))
    expect(error).toMatchObject({
      code: 'ERR_CREATE_FAILED',
      containerId: container.id,
      operation: 'createContainer',
    })
    expect(error.command?.argv).toContain(container.id)
    expect(error.command?.stderrTail).not.toBe('')
    expect(error.message).not.toMatch(/level=|time=/)
    expect(host.traces(container)).toEqual([])
    await host.runtime.deleteContainer(container)
    expect(host.files()).toEqual(before)
    await host.expectGoodContainer(container.id)
  })
})
