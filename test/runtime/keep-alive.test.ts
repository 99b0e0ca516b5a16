import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { KeepAlive } from '../../src/surroundings/keep-alive.ts'

const program = fileURLToPath(new URL('fixtures/last-line.ts', import.meta.url))

/** What the program says, and how it ends by itself. */
async function run(waitsFor: string): Promise<{ code: unknown; said: string[] }> {
  const child = spawn(process.execPath, [program, waitsFor], {
    // TypeScript is run as it is, also by the oldest Node that is supported.
    env: { ...process.env, NODE_OPTIONS: '--experimental-strip-types --no-warnings' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const [code] = (await once(child, 'close')) as unknown[]
  return { code, said: text.trim().split('\n') }
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}

describe('a program that leaves its runtime open', () => {
  it.each([
    ['stop', 'stopped'],
    ['wait', 'stopped'],
    ['abort', 'running'],
    ['nothing', 'running'],
    ['commandOfNobody', 'running'],
    ['clientOfNobody', 'running'],
  ])('lives for the answer to its last line, and no longer: %s', async (waitsFor, status) => {
    expect(await run(waitsFor)).toEqual({ code: 0, said: ['the last line', status] })
  })

  it('lives for the end of a command that it awaits', async () => {
    expect(await run('command')).toEqual({ code: 0, said: ['ended: code', 'the last line', 'running'] })
  })

  it('lives for the end of an attached client that it awaits', async () => {
    const { code, said } = await run('client')
    expect({ code, said: said.slice(0, 2) }).toEqual({ code: 0, said: ['ended: exited', 'the last line'] })
  })
})

describe('what is awaited', () => {
  it('keeps the process alive from when it is asked for, and is the same for all who ask', async () => {
    const before = timers()
    const { promise, resolve } = Promise.withResolvers<string>()
    const asked = new KeepAlive().onceAsked(promise)
    expect(timers()).toBe(before)
    const first = asked()
    expect(asked()).toBe(first)
    expect(timers()).toBe(before + 1)
    resolve('over')
    expect(await first).toBe('over')
    expect(timers()).toBe(before)
  })

  it('is no unhandled rejection when nobody asks, and rejects for who does', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', note)
    onTestFinished(() => void process.off('unhandledRejection', note))
    const failure = new Error('a promise that was never to reject')
    const [nobody, somebody] = [Promise.reject(failure), Promise.reject(failure)]
    new KeepAlive().onceAsked(nobody)
    const asked = new KeepAlive().onceAsked(somebody)
    // Node tells of them when the microtasks are done.
    await new Promise(setImmediate)
    expect(unhandled).toEqual([])
    await expect(asked()).rejects.toBe(failure)
  })

  it('keeps the process alive while there is any of it, whatever becomes of it', async () => {
    const before = timers()
    const keepAlive = new KeepAlive()
    const [first, second] = [Promise.withResolvers<number>(), Promise.withResolvers<number>()]
    const answers = Promise.allSettled([keepAlive.during(first.promise), keepAlive.during(second.promise)])
    expect(timers()).toBe(before + 1)
    first.resolve(1)
    await first.promise
    expect(timers()).toBe(before + 1)
    second.reject(new Error('no'))
    await answers
    expect(timers()).toBe(before)
  })
})
