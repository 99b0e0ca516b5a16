/** Shims that deny what lives, or say nothing: processes of this host are ended without them, and nobody waits for ever. */
import { closeSync, constants, openSync } from 'node:fs'
import { spawn, type ChildProcess } from 'node:child_process'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Container } from '../../../src/container.ts'
import { isOciError } from '../../../src/errors/index.ts'
import { readIdentitySync } from '../../../src/impl/process-identity.ts'
import type { ExecPort } from '../../../src/impl/exec-port.ts'
import { RpcError } from '../../../src/impl/vm/ttrpc/rpc-error.ts'
import { effect, createEffect, never, openFakeShim, type Answers, type FakeShim } from './fake-shim.ts'

const SIGKILL = 9
const SIGTERM = 15
/** The container's process is one of this host. */
const ofHost = { handler: { ociRuntimePath: '/bin/true' } }
const patience = { timeout: 20_000 }

function denies(): never {
  throw new RpcError('Kill', 5, 'container does not exist')
}

async function started(fake: FakeShim): Promise<Container> {
  const container = await fake.container()
  await fake.impl.create(container, createEffect)
  await fake.impl.start(container, effect)
  return container
}

function identityOf({ pid = 0 }: ChildProcess): { readonly pid: number; readonly startTicks: string } {
  const identity = readIdentitySync(pid)
  if (identity === undefined) throw new Error('it does not live')
  return identity
}

function execsOf({ impl }: FakeShim): ExecPort {
  if (impl.execs === undefined) throw new Error('RuntimeVM has no execs')
  return impl.execs
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isOciError(error) ? error.code : String(error)
}

describe('a process of this host', () => {
  it.each([SIGTERM, SIGKILL])(
    'gets signal %i although its shim does not know the container',
    async (number) => {
      const fake = await openFakeShim({ kill: denies }, ofHost)
      const container = await started(fake)
      await fake.impl.signal(container, identityOf(fake.machine), number, effect)
      await expect
        .poll(() => fake.machine.signalCode, patience)
        .toBe(number === SIGKILL ? 'SIGKILL' : 'SIGTERM')
    },
  )

  it('is gone when its shim says so and nobody has its pid and start time', async () => {
    const fake = await openFakeShim({ kill: denies }, ofHost)
    const container = await started(fake)
    const stranger = { pid: fake.machine.pid ?? 0, startTicks: '1' }
    expect(await codeOf(fake.impl.signal(container, stranger, SIGKILL, effect))).toBe('ERR_NOT_RUNNING')
    expect(fake.machine.signalCode).toBeNull()
  })

  it('is killed although its shim does not answer', async () => {
    const fake = await openFakeShim({ kill: never }, ofHost)
    const container = await started(fake)
    await fake.impl.signal(container, identityOf(fake.machine), SIGKILL, effect)
    await expect.poll(() => fake.machine.signalCode, patience).toBe('SIGKILL')
  })

  it('is seen to run, and dies with the delete, although its shim does not know the container', async () => {
    let isKnown = true
    const state: Answers['state'] = ({ id }) =>
      isKnown && fake.calls.includes('Create') ? { id, status: 2, pid: fake.machine.pid ?? 0 } : denies()
    const fake = await openFakeShim({ state, kill: denies, delete: denies }, ofHost)
    const container = await started(fake)
    isKnown = false
    expect(await fake.impl.observe(container, effect)).toMatchObject({ status: 'running' })
    await fake.impl.delete(container, effect)
    await expect.poll(() => fake.machine.signalCode, patience).toBe('SIGKILL')
  })
})

describe('a machine', () => {
  it('is killed when its shim has forgotten its only container, and by no other signal', async () => {
    const fake = await openFakeShim({ kill: denies })
    const container = await started(fake)
    const init = identityOf(fake.machine)
    expect(await codeOf(fake.impl.signal(container, init, SIGTERM, effect))).toBe('ERR_NOT_RUNNING')
    expect(fake.machine.signalCode).toBeNull()
    await fake.impl.signal(container, init, SIGKILL, effect)
    await expect.poll(() => fake.machine.signalCode, patience).toBe('SIGKILL')
  })
})

describe('a container whose shim does not answer Delete', () => {
  it('is deleted with its shim', async () => {
    const fake = await openFakeShim({ delete: never }, ofHost)
    const container = await started(fake)
    await fake.impl.delete(container, effect)
    await expect
      .poll(() => [fake.shim.signalCode, fake.machine.signalCode], patience)
      .toEqual(['SIGKILL', 'SIGKILL'])
  })
})

describe('a command that a shim does not begin', () => {
  it('keeps nobody waiting who aborts, and is killed when it runs after all', async () => {
    const begun = Promise.withResolvers<void>()
    const killed: string[] = []
    const fake = await openFakeShim({
      exec: async () => {
        await begun.promise
        return {}
      },
      wait: never,
      kill: ({ execId, signal }) => {
        killed.push(`${execId === '' ? 'container' : 'command'} ${signal}`)
        return {}
      },
    })
    const container = await started(fake)
    const abort = new AbortController()
    const waits = [
      execsOf(fake).startExec(container, { argv: ['/bin/true'] }, { signal: abort.signal }),
      execsOf(fake).execSync(container, { argv: ['/bin/true'] }, { signal: abort.signal }),
    ].map((wait) => codeOf(wait))
    await expect.poll(() => fake.calls.filter((name) => name === 'Exec').length, patience).toBe(2)
    abort.abort()
    expect(await Promise.all(waits)).toEqual(['ERR_ABORTED', 'ERR_ABORTED'])
    begun.resolve()
    await expect.poll(() => killed, patience).toEqual(['command 9', 'command 9'])
  })

  it('is given up at the limit of its start, whatever time it was to have', async () => {
    const fake = await openFakeShim({ exec: never })
    const container = await started(fake)
    const request = { argv: ['/bin/true'], timeoutMs: 600_000 }
    const options = { ...effect, startTimeoutMs: 50 }
    expect(await codeOf(execsOf(fake).execSync(container, request, options))).toBe('ERR_TIMEOUT')
  })

  it('has used up its time all the same', async () => {
    const fake = await openFakeShim({ exec: never })
    const container = await started(fake)
    const request = { argv: ['/bin/true'], timeoutMs: 50 }
    expect(await execsOf(fake).execSync(container, request, effect)).toMatchObject({
      exitCode: -1,
      timedOut: true,
      stderr: Buffer.from('command timed out'),
    })
  })
})

it('a command of this host is killed although its shim does not answer, and its end is unknown', async () => {
  const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' })
  onTestFinished(() => void child.kill('SIGKILL'))
  const fake = await openFakeShim(
    {
      exec: () => ({}),
      start: ({ execId }) => ({ pid: (execId === '' ? fake.machine.pid : child.pid) ?? 0 }),
      wait: never,
      kill: ({ execId }) => (execId === '' ? {} : never()),
    },
    ofHost,
  )
  const container = await started(fake)
  const session = await execsOf(fake).startExec(container, { argv: ['/bin/sleep', '1000'] }, effect)
  expect(await session.kill(SIGKILL)).toBe(true)
  expect(await session.exited).toEqual({ kind: 'unknown', why: 'monitor-lost' })
  await expect.poll(() => child.signalCode, patience).toBe('SIGKILL')
})

it('a command whose output a child holds open is answered before its shim has waited for that child', async () => {
  const answered = Promise.withResolvers<void>()
  const order: string[] = []
  const limit = AbortSignal.timeout(8000)
  const fake = await openFakeShim({
    exec: ({ stdout }) => {
      const fd = openSync(stdout, constants.O_WRONLY | constants.O_NONBLOCK)
      onTestFinished(() => closeSync(fd))
      return {}
    },
    wait: ({ execId }) => (execId === '' ? never() : { exitStatus: 0 }),
    delete: async ({ execId }) => {
      if (execId === '') return {}
      await Promise.race([
        answered.promise,
        new Promise((resolve) => limit.addEventListener('abort', resolve)),
      ])
      order.push('removed')
      return {}
    },
  })
  const container = await started(fake)
  const result = await execsOf(fake).execSync(container, { argv: ['/bin/sh'], drainMs: 10 }, effect)
  order.push('answered')
  answered.resolve()
  expect(result).toMatchObject({ exitCode: 0, drained: false })
  await expect.poll(() => order, patience).toEqual(['answered', 'removed'])
})

it('a command that cannot run since its container has ended is not running, whatever the runtime stumbled over', async () => {
  const fake = await openFakeShim({
    exec: () => {
      throw new RpcError('Exec', 2, 'OCI runtime exec failed: write to sync socket: Broken pipe')
    },
  })
  const container = await started(fake)
  const attempt = () => codeOf(execsOf(fake).execSync(container, { argv: ['/bin/true'] }, effect))
  expect(await attempt()).toBe('ERR_RUNTIME_FAILED')
  fake.machine.kill('SIGKILL')
  await expect.poll(() => fake.machine.signalCode, patience).toBe('SIGKILL')
  expect(await attempt()).toBe('ERR_NOT_RUNNING')
})

it.each([
  ['OCI runtime create failed: error executing hook `/srv/hook` (exit code: 3)', 'ERR_CREATE_FAILED'],
  ['OCI runtime create failed: chdir `/etc/file`: Not a directory', 'ERR_INVALID_ARGUMENT'],
])('a create that the runtime refused with %s is %s', async (words, code) => {
  const fake = await openFakeShim({
    create: () => {
      throw new RpcError('Create', 2, words)
    },
  })
  const container = await fake.container()
  expect(await codeOf(fake.impl.create(container, createEffect))).toBe(code)
})

it('a limit is told in whole milliseconds', async () => {
  const fake = await openFakeShim({ create: never })
  const container = await fake.container()
  const timeoutMs = 300.123
  await expect(fake.impl.create(container, { ...createEffect, timeoutMs })).rejects.toMatchObject({
    code: 'ERR_TIMEOUT',
    message: expect.stringMatching(/ within \d+ ms$/) as unknown,
  })
})
