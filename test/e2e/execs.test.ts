/** Commands in a container through the façade: whose streams they have, where they are listed, and when they end. */
import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ContainerEvent } from '../../src/index.ts'
import { ignoresTerm } from '../contract/harness.ts'
import {
  codeOf,
  openFacadeHost,
  watchEvents,
  withoutPidNamespace,
  type FacadeHost,
  type RuntimeName,
} from './facade-host.ts'
import { wrongly } from '../support/wrongly.ts'
import { processesNaming, until } from './oci-host.ts'
import { patience } from '../support/patience.ts'

const sleeps = ['/bin/sleep', '1000']
const exited = (code: number): unknown => ({ kind: 'code', code })

function collector(): { stream: Writable; text(): string } {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk)
      done()
    },
  })
  return { stream, text: () => Buffer.concat(chunks).toString() }
}

describe.each<RuntimeName>(['crun', 'runc'])('a command in a container of %s', (handler) => {
  let host: FacadeHost
  beforeAll(async () => {
    host = await openFacadeHost(handler)
  })
  afterAll(() => host.close())

  it('reads the stream it is given to its end, writes to those it is given, and leaves them open', async () => {
    const container = await host.run(sleeps)
    const [out, err] = [collector(), collector()]
    const stdin = Readable.from(['one\n', 'two\n'])
    const exit = await host.runtime.execContainer(container, ['/bin/sh', '-c', 'cat; echo no >&2; exit 3'], {
      stdin,
      stdout: out.stream,
      stderr: err.stream,
    })
    expect(exit).toEqual(exited(3))
    expect([out.text(), err.text()]).toEqual(['one\ntwo\n', 'no\n'])
    expect([out.stream.writableEnded, out.stream.destroyed]).toEqual([false, false])
    expect(['error', 'finish', 'close', 'drain'].map((name) => out.stream.listenerCount(name))).toEqual([
      0, 0, 0, 0,
    ])
  })

  it('hands over its streams where that is asked, and is listed until it ends', async () => {
    const container = await host.run(sleeps)
    const exec = await host.runtime.startExec(container, ['/bin/cat'], { stdin: 'pipe', stdout: 'pipe' })
    expect(container.execs).toMatchObject([
      {
        id: exec.id,
        pid: exec.pid,
        argv: ['/bin/cat'],
        tty: false,
      },
    ])
    expect(container.execs[0]?.started).toMatch(/^\d{4}-.*Z$/)
    expect(exec.stderr).toBeUndefined()
    exec.stdin?.end('over there')
    expect(exec.stdout && (await text(exec.stdout))).toBe('over there')
    expect(await exec.exited).toEqual(exited(0))
    expect(container.execs).toEqual([])
  })

  it('takes signals by name, and KILL ends what it has started, too', async () => {
    const container = await host.run(sleeps)
    const script = 'trap "exit 9" USR1; echo ready; while :; do sleep 0.02; done'
    const first = await host.runtime.startExec(container, ['/bin/sh', '-c', script], { stdout: 'pipe' })
    if (first.stdout !== undefined) await once(first.stdout, 'data')
    expect(await first.kill('SIGUSR1')).toBe(true)
    expect(await first.exited).toEqual(exited(9))
    expect(await first.kill()).toBe(false)
    const second = await host.runtime.startExec(container, ['/bin/sh', '-c', 'sleep 4321 & wait'])
    await until('it has started its child', () => processesNaming('4321').length > 0)
    expect(await second.kill('KILL')).toBe(true)
    expect(await second.exited).toEqual(exited(137))
    expect(processesNaming('4321')).toEqual([])
    expect(await codeOf(second.kill('SIGNOTHING'))).toBe('ERR_INVALID_ARGUMENT')
  })

  it('ends with its container, and is told to have ended before it', async () => {
    const container = await host.run(sleeps)
    const events = watchEvents(host.runtime)
    const exec = await host.runtime.startExec(container, sleeps)
    await host.runtime.stopContainer(container, 0)
    expect(await exec.exited).toEqual(exited(137))
    expect(events.of(container)).toEqual(['execStarted', 'execExited', 'exited'])
    expect(container.execs).toEqual([])
  })

  it('ends with a container that shares the pid namespace of the host', async () => {
    const container = await host.run(sleeps, { change: withoutPidNamespace })
    const events = watchEvents(host.runtime)
    const exec = await host.runtime.startExec(container, sleeps)
    await host.runtime.stopContainer(container, 0)
    expect(await exec.exited).toEqual(exited(137))
    expect(events.of(container)).toEqual(['execStarted', 'execExited', 'exited'])
  })

  it('may be run in the grace of a stop, and not once killing has begun', async () => {
    const container = await host.run(ignoresTerm)
    const stop = host.runtime.stopContainer(container, 60)
    await until('the grace', () => container.phase === 'stopping.grace')
    const { exitCode } = await host.runtime.execSyncContainer(container, ['/bin/true'])
    expect(exitCode).toBe(0)
    expect(await host.runtime.execContainer(container, ['/bin/true'])).toEqual(exited(0))
    await host.runtime.stopContainer(container, 0)
    await stop
    expect(await codeOf(host.runtime.startExec(container, ['/bin/true']))).toBe('ERR_WRONG_STATUS')
  })

  it('is ended when the stream it writes to is closed, or goes on where that was asked for', async () => {
    const container = await host.run(sleeps)
    const yes = ['/bin/sh', '-c', 'while :; do echo yes; done']
    const killed = await host.runtime.startExec(container, yes, { stdout: new PassThrough().destroy() })
    expect(await killed.exited).toEqual(exited(137))
    const target = new PassThrough()
    const left = await host.runtime.startExec(container, ['/bin/sh', '-c', 'sleep 0.2; echo x; exit 4'], {
      stdout: target,
      onDisconnect: 'leave',
    })
    target.destroy()
    expect(await left.exited).toEqual(exited(4))
  })

  it('has ended although nobody takes its output', { timeout: patience(20_000) }, async () => {
    const container = await host.run(sleeps)
    const stuck = new Writable({ highWaterMark: 1, write: () => undefined })
    const exec = await host.runtime.startExec(container, ['/bin/echo', 'hello'], {
      stdout: stuck,
      drainMs: 50,
    })
    expect(await exec.exited).toEqual(exited(0))
  })

  it('is ended by an aborted signal, and an aborted one starts nothing', async () => {
    const container = await host.run(sleeps)
    const abort = new AbortController()
    const exec = await host.runtime.startExec(container, sleeps, { signal: abort.signal })
    abort.abort()
    expect(await exec.exited).toEqual(exited(137))
    const { signal } = abort
    expect(await codeOf(host.runtime.startExec(container, ['/bin/true'], { signal }))).toBe('ERR_ABORTED')
  })

  it('refuses what is no stream and what is no command, naming the field', async () => {
    const container = await host.run(sleeps)
    const bad: readonly [string, readonly string[], object][] = [
      ['stdin', ['/bin/true'], { stdin: 'inherit' }],
      ['stdout', ['/bin/true'], { stdout: 1 }],
      ['stderr', ['/bin/true'], { stderr: Readable.from([]) }],
      ['command', [], {}],
      ['command', wrongly('/bin/true'), {}],
      ['env', ['/bin/true'], { env: ['A=b'] }],
      ['onDisconnect', ['/bin/true'], { onDisconnect: 'detach' }],
      ['resize$', ['/bin/true'], { tty: true, resize$: [] }],
    ]
    for (const [field, argv, options] of bad) {
      await expect(host.runtime.startExec(container, argv, options)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        field,
      })
    }
    expect(container.execs).toEqual([])
  })

  it('carries ten mebibytes through unchanged, there and back', { timeout: patience(30_000) }, async () => {
    const container = await host.run(sleeps)
    const sent = Buffer.alloc(10_485_760, 'all work and no play\0\n')
    const exec = await host.runtime.startExec(container, ['/bin/cat'], {
      stdin: Readable.from([sent.subarray(0, 5_000_001), sent.subarray(5_000_001)]),
      stdout: 'pipe',
    })
    const received = exec.stdout && (await buffer(exec.stdout))
    expect(received?.equals(sent)).toBe(true)
    expect(await exec.exited).toEqual(exited(0))
  })

  it('tells its events in their order, with the exit', async () => {
    const container = await host.run(sleeps)
    const seen: ContainerEvent[] = []
    const subscription = host.runtime.events$.subscribe((event) => {
      if (event.type !== 'dropped') seen.push(event)
    })
    const exec = await host.runtime.startExec(container, ['/bin/false'])
    await exec.exited
    subscription.unsubscribe()
    expect(seen.filter(({ containerId }) => containerId === container.id)).toMatchObject([
      { type: 'execStarted', execId: exec.id, pid: exec.pid },
      { type: 'execExited', execId: exec.id, exit: exited(1) },
    ])
  })
})
