import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Container, type ContainerOptions, type ContainerView } from '../src/container.ts'
import { isContainerId, validId } from '../src/container-fields.ts'
import type { OciSpec } from '../src/bundle/oci-spec.ts'
import { everyOption } from './support/container-options.ts'

const minimal: ContainerOptions = { id: 'c1', bundlePath: '/b' }

function made(options: Partial<ContainerOptions> = {}): Container {
  return new Container({ ...minimal, ...options })
}

function viewOf(container: Container, changes: Partial<ContainerView> = {}): ContainerView {
  return {
    state: { ...container.state, status: 'running', pid: 42, created: '2024-05-06T07:08:09Z' },
    phase: 'running',
    since: '2024-05-06T07:08:10Z',
    waitingFor: undefined,
    execs: [],
    ownsProcess: () => true,
    ...changes,
  }
}

const invalid = (field: string): unknown => expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field })

describe('an id', () => {
  it('of letters, digits, underscores, dots and hyphens is legal, up to 128 of them', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/), (id) => {
        expect(validId(id)).toBe(id)
        expect(made({ id }).id).toBe(id)
      }),
    )
  })

  const likelyIds = fc.string({
    unit: fc.constantFrom('a', 'Z', '0', '.', '-', '_', '/', '\0', '\n', ' ', 'ä'),
    maxLength: 6,
  })

  it('that is legal is a file name: never hidden, never a path', () => {
    fc.assert(
      fc.property(likelyIds, (id) => {
        const fileName = !/^[.-]|[/\0\s]/.test(id) && Buffer.byteLength(id) <= 128
        expect(isContainerId(id) && !fileName).toBe(false)
      }),
    )
  })

  it.each(['', '.', '..', '.a', '-a', '_a', 'a/b', '../a', 'a b', 'a\n', 'a\0', 'ä', 'a'.repeat(129)])(
    'like %j is refused',
    (id) => {
      expect(() => made({ id })).toThrow(invalid('id'))
    },
  )

  it('that is no string is refused', () => {
    for (const id of [undefined, null, 1, ['c1'], { toString: () => 'c1' }]) {
      expect(() => void Reflect.apply(validId, undefined, [id])).toThrow(invalid('id'))
    }
  })
})

describe('a new container', () => {
  it('keeps every option', () => {
    expect(new Container(everyOption)).toMatchObject(everyOption)
  })

  it('has defaults for all but its id and bundle', () => {
    expect(made()).toMatchObject({
      name: 'c1',
      dir: '/b',
      logPath: '/b/container.log',
      statePath: '/b/state.json',
      netns: undefined,
      runtimeHandler: undefined,
      metadata: undefined,
      labels: {},
      image: '',
      sandbox: '',
      terminal: false,
      stdin: false,
      stdinOnce: false,
      privileged: false,
      stopSignal: 15,
    })
  })

  it('has its log and state in its own directory, when it has one', () => {
    expect(made({ dir: '/state/c1/' })).toMatchObject({
      logPath: '/state/c1/container.log',
      statePath: '/state/c1/state.json',
    })
  })

  it('reads an empty netns or handler as none, as the seed does', () => {
    expect(made({ netns: '', runtimeHandler: '' })).toMatchObject({
      netns: undefined,
      runtimeHandler: undefined,
    })
  })

  it('does not change when what it was given changes', () => {
    const createdAt = new Date(1)
    const labels = { a: 'b' }
    const metadata = { name: 'n', attempt: 0 }
    const container = made({ createdAt, labels, metadata })
    createdAt.setTime(2)
    labels.a = 'c'
    metadata.attempt = 1
    expect(container.createdAt.getTime()).toBe(1)
    expect(container.labels).toEqual({ a: 'b' })
    expect(container.metadata).toEqual({ name: 'n', attempt: 0 })
    expect(Object.isFrozen(container.labels)).toBe(true)
  })

  it.each<[string, Record<string, unknown>]>([
    ['bundlePath', { bundlePath: 'b' }],
    ['bundlePath', { bundlePath: undefined }],
    ['bundlePath', { bundlePath: '/a/../b' }],
    ['bundlePath', { bundlePath: '/a\0b' }],
    ['bundlePath', { bundlePath: `/${'a'.repeat(4095)}` }],
    ['dir', { dir: '' }],
    ['logPath', { logPath: 'log' }],
    ['netns', { netns: 'n1' }],
    ['name', { name: 'a\0b' }],
    ['name', { name: 1 }],
    ['sandbox', { sandbox: {} }],
    ['runtimeHandler', { runtimeHandler: 7 }],
    ['terminal', { terminal: 'yes' }],
    ['privileged', { privileged: 'false' }],
    ['labels.a', { labels: { a: 1 } }],
    ['labels', { labels: { '': 'x' } }],
    ['annotations', { annotations: { a: 'x'.repeat(262_144) } }],
    ['metadata.name', { metadata: { attempt: 0 } }],
    ['metadata.attempt', { metadata: { name: 'n', attempt: -1 } }],
    ['createdAt', { createdAt: new Date(Number.NaN) }],
    ['createdAt', { createdAt: '2024-05-06' }],
  ])('refuses a malformed %s', (field, changes) => {
    expect(() => new Container({ ...minimal, ...changes })).toThrow(invalid(field))
  })
})

describe('the stop signal', () => {
  it.each([
    ['SIGINT', 2, 'INT'],
    ['usr1', 10, 'USR1'],
    ['RTMIN+3', 37, 'RTMIN+3'],
    ['9', 9, 'KILL'],
    [3, 3, 'QUIT'],
    ['nonsense', 15, 'TERM'],
    ['', 15, 'TERM'],
    [undefined, 15, 'TERM'],
  ])('given as %j is %i, named %s', (given, number, name) => {
    const container = given === undefined ? made() : made({ stopSignal: given })
    expect([container.stopSignal, container.getStopSignal()]).toEqual([number, name])
  })
})

describe('the description', () => {
  const labels = {
    'io.kubernetes.pod.namespace': 'ns',
    'io.kubernetes.pod.name': 'pod',
    'io.kubernetes.container.name': 'web',
  }

  it('is namespace/pod/container from the kubelet’s labels', () => {
    expect(made({ labels }).description).toBe('ns/pod/web')
  })

  it('is the name when a label is missing', () => {
    const { 'io.kubernetes.pod.name': _, ...incomplete } = labels
    expect(made({ name: 'n', labels: incomplete }).description).toBe('n')
  })
})

describe('setters', () => {
  it('are read back', () => {
    const container = made()
    const mappings = { uids: [{ containerID: 0, hostID: 1000, size: 1 }], gids: [] }
    container.setMountPoint('/m')
    container.setIntermediateMountPoint('/i')
    container.setSeccompProfilePath('/s')
    container.setIdMappings(mappings)
    expect(container).toMatchObject({
      mountPoint: '/m',
      intermediateMountPoint: '/i',
      seccompProfilePath: '/s',
      idMappings: mappings,
    })
    mappings.uids.pop()
    expect(container.idMappings?.uids).toHaveLength(1)
  })

  it('refuse a NUL in a path', () => {
    expect(() => made().setMountPoint('\0')).toThrow(invalid('mountPoint'))
    expect(() => made().setSeccompProfilePath('\0')).toThrow(invalid('seccompProfilePath'))
  })

  it('add volumes in order, in a list that is the caller’s', () => {
    const container = made()
    const volume = { containerPath: '/a', hostPath: '/b', readonly: true }
    container.addVolume(volume)
    container.addVolume({ ...volume, containerPath: '/c' })
    volume.hostPath = 'changed'
    const list = container.volumes
    expect(list.map(({ containerPath, hostPath }) => [containerPath, hostPath])).toEqual([
      ['/a', '/b'],
      ['/c', '/b'],
    ])
    expect(container.volumes).not.toBe(list)
  })

  it('copy the spec, in and out', () => {
    const container = made()
    expect(container.spec).toBeUndefined()
    const spec: OciSpec = {
      ociVersion: '1.0.2',
      process: { args: ['a'], cwd: '/', user: { uid: 0, gid: 0 } },
    }
    container.setSpec(spec)
    spec.process?.args.push('b')
    container.spec?.process?.args.push('c')
    expect(container.spec?.process?.args).toEqual(['a'])
  })

  it('refuse a spec that is not plain data', () => {
    expect(() => made().setSpec({ ociVersion: '1.0.2', hook: () => undefined })).toThrow(invalid('spec'))
  })
})

describe('the state of an unregistered container', () => {
  it('says that nothing has happened yet', () => {
    const container = made({ annotations: { a: 'b' }, createdAt: new Date(0) })
    expect(container.state).toEqual({
      ociVersion: '1.0.2',
      id: 'c1',
      status: undefined,
      pid: 0,
      bundle: '/b',
      annotations: { a: 'b' },
      created: undefined,
      started: undefined,
      finished: undefined,
      exitCode: undefined,
      oomKilled: false,
      error: undefined,
      exit: undefined,
      durable: true,
    })
    expect(container).toMatchObject({
      status: undefined,
      created: false,
      phase: 'registered',
      since: '1970-01-01T00:00:00.000Z',
      waitingFor: undefined,
    })
  })

  it('can be marked as created', () => {
    const container = made()
    container.setCreated()
    expect(container.created).toBe(true)
  })

  it('is created when it has a time of creation', () => {
    const container = made()
    container.seedState({ created: '2024-05-06T07:08:09Z', status: 'created' })
    expect([container.created, container.status]).toEqual([true, 'created'])
  })

  it('records a failed start as one that ended when the container was created', () => {
    const container = made()
    container.seedState({ created: '2024-05-06T07:08:09.123456789Z' })
    container.setStartFailed(new Error('no such file'))
    const { created, started, finished, error } = container.state
    expect([started, finished]).toEqual([created, created])
    expect(error).toBe('no such file')
  })

  it('records a failed start without an error, and with one that is only text', () => {
    const container = made({ createdAt: new Date(0) })
    container.setStartFailed(undefined)
    expect(container.state).toMatchObject({ started: '1970-01-01T00:00:00.000Z', error: undefined })
    container.setStartFailed('boom')
    expect(container.state.error).toBe('boom')
  })
})

describe('a registered container', () => {
  it('shows what its machine shows', () => {
    const container = made()
    const view = viewOf(container, { phase: 'stopping.grace', waitingFor: 'the process to end' })
    container.bindView(view)
    expect(container.state).toBe(view.state)
    expect(container).toMatchObject({
      status: 'running',
      created: true,
      phase: 'stopping.grace',
      since: '2024-05-06T07:08:10Z',
      waitingFor: 'the process to end',
    })
  })

  it.each<[string, (container: Container) => void]>([
    ['setCreated', (container) => container.setCreated()],
    ['setStartFailed', (container) => container.setStartFailed(new Error('x'))],
    ['setState', (container) => container.seedState({ pid: 1 })],
  ])('refuses %s, and keeps its state', (operation, act) => {
    const container = made()
    container.bindView(viewOf(container))
    expect(() => act(container)).toThrow(
      expect.objectContaining({ code: 'ERR_WRONG_STATUS', operation, containerId: 'c1' }),
    )
    expect(container.state.pid).toBe(42)
  })
})

describe('the path of the network namespace', () => {
  it('is the one that was given, whatever runs', () => {
    expect(made({ netns: '/run/netns/n1' }).netNsPath()).toBe('/run/netns/n1')
  })

  it('is that of the container’s own process', () => {
    const container = made()
    container.bindView(viewOf(container))
    expect(container.netNsPath()).toBe('/proc/42/ns/net')
  })

  it('is never that of a stranger or of no process', () => {
    const notRunning: unknown = expect.objectContaining({ code: 'ERR_NOT_RUNNING', containerId: 'c1' })
    const unregistered = made()
    unregistered.seedState({ pid: 42 })
    expect(() => unregistered.netNsPath()).toThrow(notRunning)

    const recycled = made()
    recycled.bindView(viewOf(recycled, { ownsProcess: () => false }))
    expect(() => recycled.netNsPath()).toThrow(notRunning)

    const gone = made()
    gone.bindView(viewOf(gone, { state: { ...gone.state, pid: 0 } }))
    expect(() => gone.netNsPath()).toThrow(notRunning)
  })
})
