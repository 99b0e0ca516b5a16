/** Shims that are not like runc's: what Kata's does otherwise, on a shim whose answers are scripted. */
import { constants, existsSync, openSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Events } from '../../../src/impl/vm/messages/generated/events_pb.ts'
import { packMessage, unpackMessage } from '../../../src/impl/vm/messages/any.ts'
import { MetricsSchema } from '../../../src/impl/vm/messages/generated/metrics-v2_pb.ts'
import { OptionsSchema } from '../../../src/impl/vm/messages/generated/runtime-options_pb.ts'
import { TaskExitSchema } from '../../../src/impl/vm/messages/generated/task-events_pb.ts'
import { dialTtrpc } from '../../../src/impl/vm/ttrpc/client.ts'
import type { Container } from '../../../src/container.ts'
import { createEffect, effect, never, openFakeShim, type FakeShim } from './fake-shim.ts'
import { factMaxMs } from '../../support/eventually.ts'

async function started(fake: FakeShim): Promise<Container> {
  const container = await fake.container()
  await fake.impl.create(container, createEffect)
  await fake.impl.start(container, effect)
  return container
}

/** A FIFO as a shim has it open. */
function openToRead(path: string): Socket {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const socket = new Socket({ fd, readable: true, writable: false })
  onTestFinished(() => void socket.destroy())
  return socket.pause()
}

/** What is read from it up to its end. */
async function wholeOf(opened: Socket | undefined): Promise<string> {
  if (opened === undefined) throw new Error('nothing was started yet')
  return text(opened)
}

/** As a shim reports it. */
async function tellExit(
  fake: FakeShim,
  container: Container,
  pid: number,
  exitStatus: number,
): Promise<void> {
  const client = await dialTtrpc(`${fake.runDir}/vm/events`, { namespace: 'default', timeoutMs: 10_000 })
  const exit = { containerId: container.id, id: container.id, pid, exitStatus }
  const event = { $typeName: 'google.protobuf.Any' as const, ...packMessage(TaskExitSchema, exit) }
  await client.call(Events.method.forward, { envelope: { topic: '/tasks/exit', event } })
  client.close()
}

describe('a shim with a machine of its own', () => {
  it('is told where its configuration is, and never of an OCI runtime', async () => {
    let options: unknown
    const fake = await openFakeShim(
      {
        create: (request) => {
          options = unpackMessage(OptionsSchema, request.options)?.configPath
          return { pid: fake.machine.pid ?? 0 }
        },
      },
      { handler: { runtimeConfigPath: '/etc/kata.toml' } },
    )
    const container = await fake.container()
    const created = await fake.impl.create(container, createEffect)
    expect(options).toBe('/etc/kata.toml')
    expect([created.init.pid, created.monitor?.pid]).toEqual([fake.machine.pid, fake.shim.pid])
  })

  it('may answer Wait late or never: its event tells of the exit', async () => {
    const fake = await openFakeShim({ wait: never })
    const container = await started(fake)
    const exit = fake.exit(container)
    // A late word of an earlier container of this id.
    await tellExit(fake, container, 2, 99)
    await tellExit(fake, container, fake.machine.pid ?? 0, 7)
    expect(await exit).toMatchObject({ id: container.id, code: 7 })
  })

  it('tells of an exit twice, and it is reported once', async () => {
    const fake = await openFakeShim({ wait: () => ({ exitStatus: 5 }) })
    const container = await fake.container()
    const exit = fake.exit(container)
    await fake.impl.create(container, createEffect)
    expect(await exit).toMatchObject({ code: 5 })
    const seen: number[] = []
    fake.impl.exits.exits$.subscribe(({ code }) => seen.push(code))
    await tellExit(fake, container, fake.machine.pid ?? 0, 6)
    await fake.impl.exits.scan()
    expect(seen).toEqual([])
  })

  it('may end without an answer to Shutdown', async () => {
    const fake = await openFakeShim({
      shutdown: () => {
        fake.shim.kill('SIGKILL')
        fake.machine.kill('SIGKILL')
        void fake.hangUp()
        return never()
      },
    })
    const container = await started(fake)
    await fake.impl.delete(container, effect)
    expect(fake.calls.slice(-2)).toEqual(['Delete', 'Shutdown'])
    expect([fake.shim.signalCode, existsSync(`${fake.runDir}/vm/streams/${container.id}`)]).toEqual([
      'SIGKILL',
      false,
    ])
  })

  it('takes a KILL after the exit for done', async () => {
    const fake = await openFakeShim({ kill: () => ({}) })
    const container = await started(fake)
    const init = { pid: fake.machine.pid ?? 0, startTicks: '0' }
    await expect(fake.impl.signal(container, init, 9, effect)).resolves.toBeUndefined()
  })

  it('has ports that this host cannot reach', async () => {
    const fake = await openFakeShim()
    const container = await started(fake)
    const init = { pid: fake.machine.pid ?? 0, startTicks: '0' }
    const request = { port: 80, stream: new PassThrough() }
    await expect(fake.impl.streams?.portForward(container, init, request, effect)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    })
  })

  it('counts by cgroups v2, also what its machine sends', async () => {
    const packed = packMessage(MetricsSchema, {
      cpu: { usageUsec: 5n },
      memory: { usage: 4096n, usageLimit: 8192n },
      network: [{ name: 'eth0', rxBytes: 3n, txBytes: 4n }],
    })
    const stats = { $typeName: 'google.protobuf.Any' as const, ...packed }
    const fake = await openFakeShim({ stats: () => ({ stats }) })
    const container = await started(fake)
    expect(await fake.impl.stats?.(container, effect)).toMatchObject({
      cpuNano: 5000n,
      memTotalBytes: 4096,
      memLimit: 8192,
      netInput: 3,
      netOutput: 4,
    })
  })

  it('is told of the end of stdin after it was started, and once all is written and our end is closed', async () => {
    let opened: Socket | undefined
    let path = ''
    let received = ''
    const fake = await openFakeShim({
      create: ({ stdin }) => {
        path = stdin
        return { pid: fake.machine.pid ?? 0 }
      },
      start: () => {
        opened = openToRead(path)
        return { pid: fake.machine.pid ?? 0 }
      },
      // As Kata's: it answers when it has read to the end. Nothing was read before.
      closeIO: async () => {
        received = await wholeOf(opened)
        return {}
      },
    })
    const container = await fake.container({ stdin: true, stdinOnce: true })
    await fake.impl.create(container, createEffect)
    const words = 'x'.repeat(40_000)
    await fake.impl.attach?.(container, { stdin: Readable.from([words]) }, effect)
    await fake.impl.start(container, effect)
    await expect.poll(() => received.length, { timeout: factMaxMs }).toBe(words.length)
    const [start, closeIo] = [fake.calls.indexOf('Start'), fake.calls.indexOf('CloseIO')]
    expect(start).toBeLessThan(closeIo)
    expect(fake.calls.filter((name) => name === 'CloseIO')).toHaveLength(1)
  })

  it('is told of the end of a command’s stdin in the same way, and of its KILL and nothing else', async () => {
    const exited = Promise.withResolvers<number>()
    const signals: unknown[] = []
    let opened: Socket | undefined
    let path = ''
    let received = ''
    const fake = await openFakeShim({
      exec: ({ stdin }) => {
        path = stdin
        return {}
      },
      start: ({ execId }) => {
        if (execId !== '') opened = openToRead(path)
        return { pid: fake.machine.pid ?? 0 }
      },
      closeIO: async () => {
        received = await wholeOf(opened)
        return {}
      },
      wait: async ({ execId }) => (execId === '' ? never() : { exitStatus: await exited.promise }),
      kill: ({ execId, signal, all }) => {
        signals.push([execId !== '', signal, all])
        exited.resolve(137)
        return {}
      },
    })
    const container = await started(fake)
    const session = await fake.impl.execs?.startExec(container, { argv: ['/bin/cat'], stdin: true }, effect)
    session?.stdin?.end('some words')
    await expect.poll(() => received, { timeout: factMaxMs }).toBe('some words')
    // The pid is that of the machine, which is not to be touched.
    expect(await session?.kill(9)).toBe(true)
    expect(await session?.exited).toEqual({ kind: 'code', code: 137 })
    expect([signals, fake.machine.signalCode]).toEqual([[[true, 9, false]], null])
  })

  it('says by a file that the kernel ran out of memory', async () => {
    const fake = await openFakeShim({ wait: () => ({ exitStatus: 137 }) })
    const container = await fake.container()
    const exit = fake.exit(container)
    await fake.impl.create(container, createEffect)
    await exit
    expect(await fake.impl.oomKilled(container, 137, effect)).toBe(false)
    writeFileSync(`${container.bundlePath}/oom`, '')
    expect(await fake.impl.oomKilled(container, 137, effect)).toBe(true)
    expect(await fake.impl.oomKilled(container, 1, effect)).toBe(false)
  })

  it('that breaks the connection is called again, and nobody notices', async () => {
    const fake = await openFakeShim()
    const container = await started(fake)
    await fake.hangUp()
    await fake.listenAgain()
    await expect
      .poll(() => fake.impl.observe(container, effect).catch(() => undefined), { timeout: factMaxMs })
      .toMatchObject({ status: 'running' })
    expect(fake.machine.signalCode).toBeNull()
  })

  it('that dies takes its machine with it, which nobody can reach any more', async () => {
    const fake = await openFakeShim()
    const container = await fake.container()
    const { monitorGone } = await fake.impl.create(container, createEffect)
    await fake.hangUp()
    fake.shim.kill('SIGKILL')
    await monitorGone
    await expect.poll(() => fake.machine.signalCode, { timeout: factMaxMs }).toBe('SIGKILL')
  })
})
