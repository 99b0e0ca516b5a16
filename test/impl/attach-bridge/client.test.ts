import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type AttachBridge,
  type AttachBridgeOptions,
  bufferDefaultMaxBytes,
  openAttachBridge,
} from '../../../src/impl/attach-bridge/client.ts'
import { openLauncher } from '../../../src/impl/launcher/launcher.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { listenAsMonitor } from './fake-monitor.ts'

async function openBridge(options: Partial<AttachBridgeOptions> = {}): Promise<AttachBridge> {
  const launcher = await openLauncher({ logger: silentLogger })
  const bridge = openAttachBridge({ launcher, logger: silentLogger, directory: makeTempRoot(), ...options })
  onTestFinished(async () => {
    await bridge.close()
    await launcher.close()
  })
  return bridge
}

async function untilGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('a session of the attach bridge', () => {
  it('keeps the two streams apart and whole, and ends with the monitor', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    const session = await bridge.open(monitor)
    const client = await monitor.client()
    const outputs = Promise.all([text(session.stdout), text(session.stderr)])
    await client.send(2, 'out 1 ')
    await client.send(3, 'err 1')
    await client.send(2, 'out 2')
    client.close()
    expect(await session.ended).toMatchObject({ reason: 'exited' })
    expect(await outputs).toEqual(['out 1 out 2', 'err 1'])
  })

  it('reaches a socket whose path is longer than the system call takes', async () => {
    const bridge = await openBridge()
    const monitor = listenAsMonitor(join(makeTempRoot(), 'd'.repeat(200), 'e'.repeat(200)))
    const session = await bridge.open(monitor)
    await (await monitor.client()).send(2, 'far')
    session.stdout.once('data', () => session.close())
    expect(await text(session.stdout)).toBe('far')
  })

  it('passes input on in messages that conmon takes whole, none of them empty, and half-closes', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    const session = await bridge.open(monitor)
    const client = await monitor.client()
    const typed = Buffer.alloc(100_000, 'abcdefg')
    session.stdin.write('')
    session.stdin.write(typed)
    session.stdin.end('.')
    await client.inputEnded
    expect(client.received.map(({ length }) => length)).toEqual([32_768, 32_768, 32_768, 1696, 1])
    expect(Buffer.concat(client.received).toString()).toBe(`${typed.toString()}.`)
    await client.send(2, 'still here')
    client.close()
    expect(await text(session.stdout)).toBe('still here')
  })

  it('gives the answer to what was written in the first moment', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    for (let round = 0; round < 20; round += 1) {
      const session = await bridge.open(monitor)
      session.stdin.write('question')
      const client = await monitor.client()
      await new Promise((resolve) => session.stdin.write('', resolve))
      await client.send(2, 'answer')
      session.stdout.once('data', () => session.close())
      expect(await text(session.stdout)).toBe('answer')
    }
  })

  it('gives what a monitor said last although it left input unread', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    for (let round = 0; round < 20; round += 1) {
      const session = await bridge.open(monitor)
      const client = await monitor.client()
      session.stdin.on('error', () => undefined)
      // More than the monitor's socket holds: some of it is on the way when the monitor goes.
      session.stdin.write(Buffer.alloc(1024 * 1024))
      await client.send(2, 'last words')
      client.close()
      expect(await text(session.stdout)).toBe('last words')
      expect(await session.ended).toMatchObject({ reason: 'exited' })
    }
  })

  it('drops a client that does not read, tells it, and does not hold up the monitor', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    const session = await bridge.open(monitor)
    const client = await monitor.client()
    let sentBytes = 0
    const message = Buffer.alloc(8192)
    const gone = client.gone.then(() => 'gone')
    while ((await Promise.race([client.send(2, message), gone])) !== 'gone') sentBytes += message.length
    expect(await session.ended).toMatchObject({ reason: 'dropped' })
    expect(sentBytes).toBeGreaterThan(bufferDefaultMaxBytes)
    expect(sentBytes).toBeLessThan(2 * bufferDefaultMaxBytes)
  })

  it('loses nothing for a client that reads late, within the limit', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    const session = await bridge.open(monitor)
    const client = await monitor.client()
    const hash = createHash('sha256')
    for (let count = 0; count < 400; count += 1) {
      const message = Buffer.alloc(8192, `${count},`)
      hash.update(message)
      await client.send(2, message)
    }
    client.close()
    const seen = createHash('sha256')
    session.stdout.on('data', (chunk: Buffer) => seen.update(chunk))
    await finished(session.stdout)
    expect(seen.digest('hex')).toBe(hash.digest('hex'))
    expect(await session.ended).toMatchObject({ reason: 'exited' })
  })

  it('is not held up by another one whose client does not read', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    const stuck = await bridge.open(monitor)
    const stuckClient = await monitor.client()
    for (let count = 0; count < 200; count += 1) await stuckClient.send(2, Buffer.alloc(8192))
    const session = await bridge.open(monitor)
    const client = await monitor.client()
    await client.send(2, 'quick')
    client.close()
    expect(await text(session.stdout)).toBe('quick')
    stuck.close()
    await stuckClient.inputEnded
  })

  it('tells a missing socket from one that nobody listens on', async () => {
    const bridge = await openBridge()
    const directory = makeTempRoot()
    const target = { directory, socket: 'attach' }
    await expect(bridge.open(target)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await expect(bridge.open({ ...target, directory: `${directory}/none` })).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    })
    writeFileSync(`${directory}/attach`, '')
    await expect(bridge.open(target)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    mkdirSync(`${directory}/stream`)
    const { createServer } = await import('node:net')
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(`${directory}/stream/attach`, resolve))
    onTestFinished(() => void server.close())
    await expect(bridge.open({ ...target, directory: `${directory}/stream` })).rejects.toMatchObject({
      code: 'ERR_NOT_RUNNING',
    })
  })
})

describe('the attach helper', () => {
  it('is not started before somebody attaches, and ends when nobody has been for a while', async () => {
    const [bridge, monitor] = [await openBridge({ idleMs: 50 }), listenAsMonitor()]
    expect(bridge.pid).toBeUndefined()
    const session = await bridge.open(monitor)
    const pid = bridge.pid ?? 0
    expect(pid).toBeGreaterThan(1)
    session.close()
    await untilGone(pid)
    expect(bridge.pid).toBeUndefined()
    const again = await bridge.open(monitor)
    expect(bridge.pid).not.toBe(pid)
    again.close()
  })

  it('that dies detaches its clients, who are told, and is replaced for the next one', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    const sessions = await Promise.all([bridge.open(monitor), bridge.open(monitor)])
    process.kill(bridge.pid ?? 0, 'SIGKILL')
    for (const session of sessions) expect(await session.ended).toMatchObject({ reason: 'lost' })
    const session = await bridge.open(monitor)
    session.close()
    expect(await session.ended).toMatchObject({ reason: 'closed' })
  })

  it('takes no notice of the SIGTERM that a service manager sends to all', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    const session = await bridge.open(monitor)
    const client = await monitor.client()
    process.kill(bridge.pid ?? 0, 'SIGTERM')
    await client.send(2, 'on')
    client.close()
    expect(await text(session.stdout)).toBe('on')
  })

  it('that is stopped is replaced when it opens no session in its time, and nobody who gives up waits for it', async () => {
    const [bridge, monitor] = [await openBridge({ openTimeoutMs: 500 }), listenAsMonitor()]
    ;(await bridge.open(monitor)).close()
    const stuck = bridge.pid ?? 0
    process.kill(stuck, 'SIGSTOP')
    const giving = new AbortController()
    const given = bridge.open(monitor, giving.signal)
    giving.abort()
    await expect(given).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await expect(bridge.open(monitor)).rejects.toMatchObject({
      code: 'ERR_LAUNCHER_LOST',
      message: expect.stringContaining('it does not answer') as unknown,
    })
    await untilGone(stuck)
    ;(await bridge.open(monitor)).close()
    expect(bridge.pid).not.toBe(stuck)
  })

  it('that is stopped is killed at the end', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    const session = await bridge.open(monitor)
    const stuck = bridge.pid ?? 0
    process.kill(stuck, 'SIGSTOP')
    await bridge.close()
    expect(await session.ended).toMatchObject({ reason: 'closed' })
    await untilGone(stuck)
  })

  it('is not waited for, nor the launcher, by who gives up while it is being started', async () => {
    const bridge = openAttachBridge({
      launcher: { attend: () => new Promise(() => undefined) },
      logger: silentLogger,
      directory: makeTempRoot(),
    })
    const target = { directory: '/', socket: 'attach' }
    await expect(bridge.open(target, AbortSignal.timeout(50))).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    const waiting = bridge.open(target)
    await Promise.allSettled([bridge.close(), waiting])
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  it('that cannot be started is an error, and the next attach tries again', async () => {
    const bridge = await openBridge({ nodePath: '/nonexistent/node' })
    const target = { directory: '/', socket: 'attach' }
    await expect(bridge.open(target)).rejects.toMatchObject({ code: 'ERR_LAUNCHER_LOST' })
    await expect(bridge.open(target)).rejects.toMatchObject({ code: 'ERR_LAUNCHER_LOST' })
  })
})

describe('openAttachBridge', () => {
  it('gives up an attach that is aborted, and takes nothing more when closed', async () => {
    const [bridge, monitor] = [await openBridge(), listenAsMonitor()]
    const reason = new Error('changed my mind')
    await expect(bridge.open(monitor, AbortSignal.abort(reason))).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      cause: reason,
    })
    const abort = new AbortController()
    const opening = bridge.open(monitor, abort.signal)
    abort.abort(reason)
    await expect(opening).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    const session = await bridge.open(monitor)
    await bridge.close()
    expect(await session.ended).toMatchObject({ reason: 'closed' })
    await expect(bridge.open(monitor)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})
