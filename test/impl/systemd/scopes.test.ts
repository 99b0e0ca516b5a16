import { describe, expect, it, onTestFinished } from 'vitest'
import { isOciError } from '../../../src/errors/index.ts'
import { socketPath } from '../../../src/impl/systemd/bus.ts'
import { openScopes, type Scope, type Scopes } from '../../../src/impl/systemd/scopes.ts'
import { type FakeOptions, type FakeSystemd, openFakeSystemd } from './fake-systemd.ts'

const scope: Scope = {
  name: 'crio-conmon-c1.scope',
  slice: 'machine.slice',
  description: 'Monitor of container c1',
  pids: [42],
  killSignal: 13,
}
const job = '/org/freedesktop/systemd1/job/7'
const taken = 'org.freedesktop.systemd1.UnitExists'
const unknown = 'org.freedesktop.systemd1.NoSuchUnit'

async function openWorld(
  options: FakeOptions = {},
  timeoutMs = 5000,
): Promise<{ readonly fake: FakeSystemd; readonly scopes: Scopes }> {
  const fake = await openFakeSystemd(options)
  const scopes = openScopes({ address: fake.address, timeoutMs })
  onTestFinished(() => scopes.close())
  return { fake, scopes }
}

async function errorOf(promise: Promise<unknown>) {
  try {
    await promise
  } catch (error) {
    if (isOciError(error)) return error
    throw error
  }
  throw new Error('it succeeded')
}

describe('a scope', () => {
  it('has started when its job is done, not when it was asked for', async () => {
    const { fake, scopes } = await openWorld({
      answer: (call, peer) => {
        if (call.member !== 'StartTransientUnit') return false
        peer.reply(call, 'o', [job])
        peer.jobRemoved('/org/freedesktop/systemd1/job/6', 'failed')
        peer.jobRemoved(job, 'done')
        return true
      },
    })
    expect(await scopes.start(scope)).toEqual({ kind: 'started' })
    const [call] = fake.calls
    expect(call).toMatchObject({ destination: 'org.freedesktop.systemd1', signature: 'ssa(sv)a(sa(sv))' })
    expect(call?.body?.slice(0, 2)).toEqual(['crio-conmon-c1.scope', 'fail'])
    expect(call?.body?.[2]).toContainEqual(['PIDs', { signature: 'au', value: [42] }])
    expect(call?.body?.[2]).toContainEqual(['Slice', { signature: 's', value: 'machine.slice' }])
    expect(call?.body?.[2]).toContainEqual(['KillSignal', { signature: 'i', value: 13 }])
  })

  it('has started also when its job was over before it was answered', async () => {
    const { scopes } = await openWorld({
      answer: (call, peer) => {
        if (call.member !== 'StartTransientUnit') return false
        peer.jobRemoved(job, 'done')
        peer.reply(call, 'o', [job])
        return true
      },
    })
    expect(await scopes.start(scope)).toEqual({ kind: 'started' })
  })

  it.each(['failed', 'canceled', 'dependency'])('whose job ends as %s is refused', async (result) => {
    const { scopes } = await openWorld({
      answer: (call, peer) => {
        if (call.member !== 'StartTransientUnit') return false
        peer.reply(call, 'o', [job])
        peer.jobRemoved(job, result)
        return true
      },
    })
    expect(await scopes.start(scope)).toEqual({
      kind: 'refused',
      words: `its job ended with the result ${result}`,
    })
  })

  it('is refused in the words of systemd', async () => {
    const { scopes } = await openWorld({
      answer: (call, peer) => {
        if (call.member !== 'StartTransientUnit') return false
        peer.refuse(call, 'org.freedesktop.DBus.Error.AccessDenied', 'Permission denied')
        return true
      },
    })
    expect(await scopes.start(scope)).toEqual({ kind: 'refused', words: 'Permission denied' })
  })

  it('takes the place of one that has failed, as soon as that is forgotten', async () => {
    let isThere = true
    const { fake, scopes } = await openWorld({
      answer: (call, peer) => {
        if (call.member === 'ResetFailedUnit') isThere = false
        if (call.member === 'GetUnit' && !isThere) peer.refuse(call, unknown, 'not loaded')
        else if (call.member === 'StartTransientUnit' && isThere) peer.refuse(call, taken, 'exists')
        else if (call.member === 'StartTransientUnit') {
          peer.reply(call, 'o', [job])
          peer.jobRemoved(job, 'done')
        } else return false
        return true
      },
    })
    expect(await scopes.start(scope)).toEqual({ kind: 'started' })
    expect(fake.calls.map(({ member }) => member)).toEqual([
      'StartTransientUnit',
      'GetUnit',
      'ResetFailedUnit',
      'GetUnit',
      'StartTransientUnit',
    ])
  })

  it('never takes the place of a living one, nor stops it', async () => {
    const timeoutMs = 3000
    const { fake, scopes } = await openWorld(
      {
        answer: (call, peer) => {
          if (call.member !== 'StartTransientUnit') return false
          peer.refuse(call, taken, 'exists')
          return true
        },
      },
      timeoutMs,
    )
    expect(await scopes.start(scope)).toEqual({ kind: 'exists' })
    expect(fake.calls.map(({ member }) => member)).not.toContain('StopUnit')
  })

  it('has ended when systemd knows it no more', async () => {
    const { scopes } = await openWorld({
      answer: (call, peer) => {
        if (call.member !== 'GetUnit') return false
        peer.refuse(call, unknown, 'not loaded')
        return true
      },
    })
    expect(await scopes.seeEnd(scope.name)).toBeUndefined()
  })
})

describe('the system bus', () => {
  it('that is not there is an error at once, with its socket', async () => {
    const scopes = openScopes({ address: 'unix:path=/nowhere/bus' })
    expect(await errorOf(scopes.reach())).toMatchObject({ code: 'ERR_IO', file: '/nowhere/bus' })
  })

  it('that says nothing is an error when its time is up', async () => {
    const { fake, scopes } = await openWorld({ greeting: undefined }, 50)
    expect(await errorOf(scopes.reach())).toMatchObject({ code: 'ERR_TIMEOUT', file: fake.path })
  })

  it('that does not let us in is an error', async () => {
    const { scopes } = await openWorld({ greeting: 'REJECTED EXTERNAL\r\n' })
    expect(await errorOf(scopes.reach())).toMatchObject({ code: 'ERR_IO', message: /REJECTED/ })
  })

  it('that talks nonsense is an error', async () => {
    const { scopes } = await openWorld({
      answer: (_, peer) => {
        peer.socket.write('nonsense that is longer than a header')
        return true
      },
    })
    expect(await errorOf(scopes.reach())).toMatchObject({ code: 'ERR_IO', message: /malformed/ })
  })

  it('that has no systemd is an error', async () => {
    const { scopes } = await openWorld({
      answer: (call, peer) => {
        if (call.member !== 'Subscribe') return false
        peer.refuse(call, 'org.freedesktop.DBus.Error.ServiceUnknown', 'no such name')
        return true
      },
    })
    expect(await errorOf(scopes.reach())).toMatchObject({ code: 'ERR_IO', message: /no such name/ })
  })

  it('that goes away fails who waits for it, and is met anew by the next', async () => {
    let isFirst = true
    const { fake, scopes } = await openWorld({
      answer: (call, peer) => {
        if (call.member !== 'GetUnit') return false
        if (isFirst) peer.socket.destroy()
        else peer.refuse(call, unknown, 'not loaded')
        isFirst = false
        return true
      },
    })
    expect(await errorOf(scopes.seeEnd(scope.name))).toMatchObject({ code: 'ERR_IO' })
    await scopes.seeEnd(scope.name)
    expect(fake.connectionsCount()).toBe(2)
  })

  it('is connected once by all who ask at the same time', async () => {
    const { fake, scopes } = await openWorld()
    await Promise.all(Array.from({ length: 20 }, () => scopes.reach()))
    await scopes.reach()
    expect(fake.connectionsCount()).toBe(1)
  })

  it.each([
    ['unix:path=/run/bus', '/run/bus'],
    ['tcp:host=x;unix:guid=1,path=/run/a%20b', '/run/a b'],
    ['unix:abstract=/tmp/x,guid=2', '\0/tmp/x'],
  ])('at %s is the socket %j', (address, path) => {
    expect(socketPath(address)).toBe(path)
  })

  it('elsewhere than at a Unix socket is refused', () => {
    expect(() => socketPath('tcp:host=localhost')).toThrow(/must name a Unix socket/)
  })
})
