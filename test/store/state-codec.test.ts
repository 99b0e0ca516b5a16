import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { unknownExitReasons, type ContainerState, type ExitStatus } from '../../src/container.ts'
import { errorCodes, isOciError } from '../../src/errors/index.ts'
import { decodeState, encodeState, stateErrorMaxChars } from '../../src/store/state-codec.ts'
import { emptyOwnRecord, type OwnRecord, type StateRecord } from '../../src/store/state-record.ts'

type Json = Record<string, unknown>
const jsonObject = z.record(z.string(), z.unknown())

const plain: StateRecord = {
  state: {
    ociVersion: '1.0.2',
    id: 'c1',
    status: 'running',
    pid: 42,
    bundle: '/b',
    annotations: {},
    created: '2024-05-06T07:08:09.123456789Z',
    started: '2024-05-06T07:08:10.000000001Z',
    finished: undefined,
    exitCode: undefined,
    oomKilled: false,
    error: undefined,
    exit: undefined,
    durable: true,
  },
  own: emptyOwnRecord,
}

function stopped(exit: ExitStatus): StateRecord {
  const exitCode = exit.kind === 'code' ? exit.code : 255
  return {
    ...plain,
    state: { ...plain.state, status: 'stopped', pid: 0, exit, exitCode, finished: exit.finished },
  }
}

function onDisk(record: StateRecord): Json {
  return jsonObject.parse(JSON.parse(encodeState(record)))
}

const finished = '2024-05-06T07:08:11.5Z'

// Fields as CRI-O writes them.
const crioFile: Json = {
  ociVersion: '1.0.0',
  id: 'c1',
  status: 'stopped',
  pid: 42,
  bundle: '/b',
  annotations: { a: 'b' },
  created: '2019-05-06T07:08:09.123456789+02:00',
  started: '2019-05-06T07:08:10.1+02:00',
  finished: '2019-05-06T07:08:11+02:00',
}

const timestamps = fc
  .tuple(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-01-01') }), fc.nat(999_999_999))
  .map(([date, nanos]) => `${date.toISOString().slice(0, 19)}.${String(nanos).padStart(9, '0')}Z`)
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const stringMaps = fc.dictionary(fc.string(), fc.string())
const ids = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/)

const exits: fc.Arbitrary<ExitStatus> = fc.oneof(
  fc.record({
    kind: fc.constant('code' as const),
    code: fc.integer({ min: 0, max: 255 }),
    inferredSignal: maybe(fc.integer({ min: 1, max: 64 })),
    oomKilled: fc.boolean(),
    finished: timestamps,
  }),
  fc.record({
    kind: fc.constant('unknown' as const),
    why: fc.constantFrom(...unknownExitReasons),
    oomKilled: fc.boolean(),
    finished: timestamps,
  }),
)

const processes = fc.record({
  pid: fc.integer({ min: 2, max: 0x7fff_ffff }),
  startTicks: fc.bigInt(0n, 2n ** 63n).map(String),
})
const mappings = fc.array(fc.record({ containerID: fc.nat(), hostID: fc.nat(), size: fc.nat() }), {
  maxLength: 3,
})
const owns: fc.Arbitrary<OwnRecord> = fc.record({
  generation: fc.nat(),
  stop: maybe(
    fc.record({
      timeoutMs: fc.oneof(
        fc.nat(),
        fc.constant(Infinity),
        fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
      ),
      requestedAt: timestamps,
    }),
  ),
  since: maybe(timestamps),
  handler: maybe(fc.string()),
  runtimeRoot: maybe(fc.string()),
  init: maybe(processes),
  monitor: maybe(processes),
  bootId: maybe(fc.uuid()),
  monitorLost: maybe(timestamps),
  errorCode: maybe(fc.constantFrom(...errorCodes)),
  settings: fc.record({
    mountPoint: fc.string(),
    intermediateMountPoint: fc.string(),
    seccompProfilePath: fc.string(),
    idMappings: maybe(fc.record({ uids: mappings, gids: mappings })),
    volumes: fc.array(
      fc.record({ containerPath: fc.string(), hostPath: fc.string(), readonly: fc.boolean() }),
      { maxLength: 3 },
    ),
  }),
})

const records: fc.Arbitrary<StateRecord> = fc
  .record({
    id: ids,
    status: maybe(
      fc.constantFrom('created' as const, 'running' as const, 'paused' as const, 'stopped' as const),
    ),
    pid: fc.nat({ max: 0x7fff_ffff }),
    bundle: fc.string(),
    annotations: stringMaps,
    created: maybe(timestamps),
    started: maybe(timestamps),
    finished: maybe(timestamps),
    oomKilled: fc.boolean(),
    error: maybe(fc.string({ minLength: 1 })),
    exit: maybe(exits),
    own: owns,
  })
  .map(({ own, exit, ...rest }) => {
    const exitCode = exit && (exit.kind === 'code' ? exit.code : 255)
    return { state: { ociVersion: '1.0.2', ...rest, exit, exitCode, durable: true }, own }
  })

describe('state files', () => {
  it('are read back as the record that was written', () => {
    fc.assert(
      fc.property(records, (record) => {
        const text = encodeState(record)
        const read = decodeState(text, 'state.json')
        expect(read).toEqual(normal(record))
        expect(encodeState(read)).toBe(text)
      }),
    )
  })

  it('that are damaged are read or refused as corrupt, never anything else', () => {
    const text = encodeState(
      stopped({ kind: 'code', code: 1, inferredSignal: undefined, oomKilled: false, finished }),
    )
    fc.assert(
      fc.property(fc.nat(text.length - 2), fc.string({ maxLength: 3 }), (at, junk) => {
        const damaged = text.slice(0, at) + junk + text.slice(at + junk.length + 1)
        expect([undefined, 'ERR_STATE_CORRUPT']).toContain(codeOfDecoding(damaged))
      }),
    )
  })

  it('truncated anywhere are corrupt, never an empty container', () => {
    const text = encodeState(plain).trimEnd()
    for (let length = 0; length < text.length; length++) {
      expect(() => decodeState(text.slice(0, length), 'f')).toThrow(
        expect.objectContaining({ code: 'ERR_STATE_CORRUPT' }),
      )
    }
  })
})

function codeOfDecoding(text: string): unknown {
  try {
    decodeState(text, 'state.json')
    return undefined
  } catch (error) {
    return isOciError(error) ? error.code : error
  }
}

/** -0 has no form of its own in JSON. */
function normal(record: StateRecord): StateRecord {
  const stop = record.own.stop && { ...record.own.stop, timeoutMs: record.own.stop.timeoutMs + 0 }
  return { ...record, own: { ...record.own, stop } }
}

describe('the form on disk', () => {
  it('has every field of CRI-O’s at the top and ours under one key', () => {
    expect(onDisk(plain)).toEqual({
      ociVersion: '1.0.2',
      id: 'c1',
      status: 'running',
      pid: 42,
      bundle: '/b',
      annotations: {},
      created: '2024-05-06T07:08:09.123456789Z',
      started: '2024-05-06T07:08:10.000000001Z',
      finished: '0001-01-01T00:00:00Z',
      oomKilled: false,
      ociSupervisor: expect.objectContaining({ version: 1, generation: 0 }) as unknown,
    })
  })

  it('has an exit code of zero, 255 for an unknown one, and none before the exit', () => {
    const zero = stopped({ kind: 'code', code: 0, inferredSignal: undefined, oomKilled: false, finished })
    const unknown = stopped({ kind: 'unknown', why: 'monitor-lost', oomKilled: false, finished })
    expect(onDisk(zero)['exitCode']).toBe(0)
    expect(onDisk(unknown)['exitCode']).toBe(255)
    expect(onDisk(plain)).not.toHaveProperty('exitCode')
    expect(onDisk({ ...plain, state: { ...plain.state, status: 'stopped' } })['exitCode']).toBe(255)
  })

  it('has null for a stop that never escalates', () => {
    const stop = { timeoutMs: Infinity, requestedAt: finished }
    expect(onDisk({ ...plain, own: { ...emptyOwnRecord, stop } })['ociSupervisor']).toMatchObject({
      stop: { timeoutMs: null, requestedAt: finished },
    })
  })

  it('has an empty status and zero times before the container is created', () => {
    const fresh = { ...plain.state, status: undefined, created: undefined, started: undefined }
    expect(onDisk({ ...plain, state: fresh })).toMatchObject({ status: '', created: '0001-01-01T00:00:00Z' })
  })

  it('keeps an annotation named __proto__', () => {
    const annotations = Object.fromEntries([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ])
    const read = decodeState(encodeState({ ...plain, state: { ...plain.state, annotations } }), 'f')
    expect(Object.entries(read.state.annotations)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ])
  })

  it('cuts an error text that is too long', () => {
    const error = 'x'.repeat(stateErrorMaxChars + 1)
    expect(
      decodeState(encodeState({ ...plain, state: { ...plain.state, error } }), 'f').state.error,
    ).toHaveLength(stateErrorMaxChars)
  })

  it('is refused before it is written when it could not be read back', () => {
    const bad = { ...plain, state: { ...plain.state, created: 'yesterday' } }
    expect(() => encodeState(bad)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'created' }),
    )
    const big = { ...plain, state: { ...plain.state, annotations: { a: 'x'.repeat(1_048_576) } } }
    expect(() => encodeState(big)).toThrow(/at most 1048576/)
  })
})

function readCrio(changes: Json): ContainerState {
  return decodeState(JSON.stringify({ ...crioFile, ...changes }), 'f').state
}

describe('a file that CRI-O wrote', () => {
  it('keeps its times to the letter', () => {
    expect(readCrio({ exitCode: 3 })).toMatchObject({
      created: '2019-05-06T07:08:09.123456789+02:00',
      started: '2019-05-06T07:08:10.1+02:00',
      finished: '2019-05-06T07:08:11+02:00',
    })
  })

  it('has the exit code that it states', () => {
    const state = readCrio({ exitCode: 137, oomKilled: true })
    expect(state.exit).toEqual({
      kind: 'code',
      code: 137,
      inferredSignal: 9,
      oomKilled: true,
      finished: '2019-05-06T07:08:11+02:00',
    })
    expect(state.exitCode).toBe(137)
  })

  it.each([[{}], [{ exitCode: 255 }], [{ exitCode: -1 }]])(
    'has an unknown exit when it is stopped with %j',
    (changes) => {
      const state = readCrio(changes)
      expect(state.exit).toMatchObject({ kind: 'unknown', why: 'legacy' })
      expect(state.exitCode).toBe(255)
    },
  )

  it('has no exit while it runs', () => {
    const state = readCrio({ status: 'running', finished: '0001-01-01T00:00:00Z' })
    expect([state.exit, state.exitCode, state.finished]).toEqual([undefined, undefined, undefined])
  })

  // By the documented fields of its ContainerState, as Go writes them.
  it.each<[string, Json, Partial<ContainerState>]>([
    ['1.14, which left out a code of zero', {}, { exitCode: 255, status: 'stopped' }],
    [
      '1.14, still running',
      { status: 'running', finished: '0001-01-01T00:00:00Z' },
      { status: 'running', pid: 42 },
    ],
    [
      '1.18, whose code is a pointer',
      { exitCode: 0, oomKilled: false, initPid: 42, initStartTime: '123456' },
      { exitCode: 0, status: 'stopped' },
    ],
    [
      '1.37, with all that has come since',
      {
        ociVersion: '1.2.0',
        exitCode: 137,
        oomKilled: true,
        seccompKilled: false,
        initPid: 42,
        initStartTime: '123456',
        checkpointedAt: '0001-01-01T00:00:00Z',
        error: '',
      },
      { exitCode: 137, oomKilled: true, error: undefined },
    ],
    [
      '1.37, created',
      { status: 'created', started: '0001-01-01T00:00:00Z', finished: '0001-01-01T00:00:00Z' },
      { status: 'created', started: undefined },
    ],
  ])('of version %s is read', (_, changes, expected) => {
    expect(readCrio(changes)).toMatchObject(expected)
  })

  it('brings nothing of ours', () => {
    expect(decodeState(JSON.stringify(crioFile), 'f').own).toEqual(emptyOwnRecord)
  })

  it('may lack annotations and pid, and say that it is creating', () => {
    const { annotations: _, pid: __, ...rest } = crioFile
    const state = decodeState(JSON.stringify({ ...rest, status: 'creating' }), 'f').state
    expect([state.status, state.pid, state.annotations]).toEqual([undefined, 0, {}])
  })
})

describe('a corrupt file', () => {
  const own = (changes: Json): Json => ({
    ...crioFile,
    ociSupervisor: { version: 1, generation: 1, ...changes },
  })

  it.each<[string, unknown, string | undefined]>([
    ['no JSON', 'nonsense', undefined],
    ['a JSON string', '"x"', undefined],
    ['an array', [], undefined],
    ['no id', { ...crioFile, id: undefined }, 'id'],
    ['an id that is a path', { ...crioFile, id: '../x' }, 'id'],
    ['an unknown status', { ...crioFile, status: 'sleeping' }, 'status'],
    ['a negative pid', { ...crioFile, pid: -1 }, 'pid'],
    ['a pid that is text', { ...crioFile, pid: '1' }, 'pid'],
    ['a time in words', { ...crioFile, started: 'yesterday' }, 'started'],
    ['an impossible time', { ...crioFile, started: '2024-13-01T00:00:00Z' }, 'started'],
    ['annotations that are no text', { ...crioFile, annotations: { a: 1 } }, 'annotations'],
    ['a key of ours from the future', own({ version: 2 }), 'ociSupervisor.version'],
    [
      'a start time that is no number',
      own({ init: { pid: 2, startTicks: 'x' } }),
      'ociSupervisor.init.startTicks',
    ],
    [
      'a negative stop timeout',
      own({ stop: { timeoutMs: -1, requestedAt: finished } }),
      'ociSupervisor.stop.timeoutMs',
    ],
    [
      'an exit code of 256',
      own({ exit: { kind: 'code', code: 256, oomKilled: false, finished } }),
      'ociSupervisor.exit.code',
    ],
    [
      'an unknown exit without reason',
      own({ exit: { kind: 'unknown', oomKilled: false, finished } }),
      'ociSupervisor.exit.why',
    ],
    ['an exit of no kind', own({ exit: {} }), 'ociSupervisor.exit.kind'],
  ])('with %s is refused, naming the file and the field', (_, content, field) => {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    expect(() => decodeState(text, '/dir/state.json')).toThrow(
      expect.objectContaining({ code: 'ERR_STATE_CORRUPT', file: '/dir/state.json', field }),
    )
  })

  it('says that a newer release wrote it', () => {
    expect(() => decodeState(JSON.stringify(own({ version: 2 })), 'f')).toThrow(/newer release/)
  })

  it('that is too large is refused', () => {
    expect(() => decodeState(' '.repeat(1_048_577), 'f')).toThrow(/larger than 1048576 bytes/)
  })
})
