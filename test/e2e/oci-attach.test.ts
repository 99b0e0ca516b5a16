import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import { BehaviorSubject, Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { processState, readIdentitySync } from '../../src/impl/process-identity.ts'
import type { TerminalSize } from '../../src/impl/terminal-size.ts'
import { Collector, neverRead } from '../support/collector.ts'
import { patience } from '../support/patience.ts'
import { openAttachHost } from './oci-attach-host.ts'
import { effect, runtimeNames, until } from './oci-host.ts'

const SIGKILL = 9
const mebi = 1024 * 1024
const sizesBytes = [0, 1, 8191, 8192, 8193, 20 * 1024, 10 * mebi]
const exited = { reason: 'exited', error: undefined }
/** The default, of clients that read all. An emulated host reads slower than conmon writes, which drops a client. */
const bufferMaxBytes = patience(4 * mebi)

function digestOf(byte: string, bytes: number): string {
  return createHash('sha256').update(Buffer.alloc(bytes, byte)).digest('hex')
}

function pidOf(bundlePath: string, file: string): number {
  return Number(readFileSync(`${bundlePath}/${file}`, 'utf8'))
}

describe.each(runtimeNames)('the output of a container of %s, attached before start,', (name) => {
  it('is whole on both streams, whatever its size', async () => {
    const host = await openAttachHost(name)
    for (const bytes of sizesBytes) {
      const out = `head -c ${bytes} /dev/zero`
      const container = await host.created(`b=/bin/busybox; $b ${out}; $b ${out} | $b tr '\\0' x >&2`)
      const [stdout, stderr] = [new Collector(), new Collector()]
      const session = await host.attach(container, { stdout, stderr, bufferMaxBytes })
      await host.start(container)
      expect(await session.ended).toEqual(exited)
      expect([stdout.sizeBytes, stderr.sizeBytes]).toEqual([bytes, bytes])
      expect([stdout.digest(), stderr.digest()]).toEqual([digestOf('\0', bytes), digestOf('x', bytes)])
    }
  })

  it('is whole through a terminal that transforms nothing', async () => {
    const host = await openAttachHost(name)
    for (const bytes of sizesBytes) {
      const script = `b=/bin/busybox; $b stty raw; $b head -c ${bytes} /dev/zero; $b stty -raw 2>/dev/null; :`
      const container = await host.created(script, { terminal: true })
      const stdout = new Collector()
      const session = await host.attach(container, { stdout, bufferMaxBytes })
      await host.start(container)
      expect(await session.ended).toEqual(exited)
      expect([stdout.sizeBytes, stdout.digest()]).toEqual([bytes, digestOf('\0', bytes)])
    }
  })

  it('is the same for every client', async () => {
    const host = await openAttachHost(name)
    const container = await host.created('/bin/busybox seq 1 100000')
    const clients = Array.from({ length: 5 }, () => new Collector())
    const sessions = await Promise.all(
      clients.map((stdout) => host.attach(container, { stdout, bufferMaxBytes })),
    )
    await host.start(container)
    for (const session of sessions) expect(await session.ended).toEqual(exited)
    expect(new Set(clients.map((client) => client.digest())).size).toBe(1)
    expect(clients[0]?.sizeBytes).toBe(588_895)
  })

  it('does not wait for a client that never reads: the log, the exit and other clients get all', async () => {
    const host = await openAttachHost(name)
    const container = await host.created('/bin/busybox head -c 20971520 /dev/zero')
    const stdout = new Collector()
    const stuck = await host.attach(container, { stdout: neverRead() })
    const session = await host.attach(container, { stdout, bufferMaxBytes })
    const exit = host.exit(container)
    await host.start(container)
    expect(await stuck.ended).toEqual({ reason: 'dropped', error: undefined })
    expect(await session.ended).toEqual(exited)
    expect(stdout.sizeBytes).toBe(20 * mebi)
    expect(await exit).toMatchObject({ code: 0 })
  })

  it('is not lost at the end because input was left unread', async () => {
    const host = await openAttachHost(name)
    for (let round = 0; round < 10; round += 1) {
      const container = await host.created('read line; echo last words', { stdin: true })
      const stdout = new Collector()
      const stdin = Readable.from([Buffer.from('go\n'), Buffer.alloc(mebi)])
      const session = await host.attach(container, { stdin, stdout })
      await host.start(container)
      expect(await session.ended).toEqual(exited)
      expect(stdout.text).toBe('last words\n')
    }
  })
})

describe.each(runtimeNames)('the input of a container of %s', (name) => {
  it('arrives whole and ends with the client when stdin is for once', async () => {
    const host = await openAttachHost(name)
    const container = await host.created('/bin/busybox cat; echo over >&2', { stdin: true, stdinOnce: true })
    const [stdout, stderr] = [new Collector(), new Collector()]
    const stdin = Readable.from(Array.from({ length: 160 }, () => Buffer.alloc(65_536, 'i')))
    await host.start(container)
    const session = await host.attach(container, { stdin, stdout, stderr, bufferMaxBytes })
    expect(await session.ended).toEqual(exited)
    expect([stdout.sizeBytes, stdout.digest()]).toEqual([10 * mebi, digestOf('i', 10 * mebi)])
    expect(stderr.text).toBe('over\n')
  })

  it('stays open for the next client otherwise', async () => {
    const host = await openAttachHost(name)
    const container = await host.created('read a; echo "1 $a"; read a; echo "2 $a"', { stdin: true })
    await host.start(container)
    for (const round of [1, 2]) {
      const stdout = new Collector()
      const stdin = new PassThrough()
      const session = await host.attach(container, { stdin, stdout })
      stdin.write('line\n')
      await stdout.until((text) => text.includes(`${round} line\n`))
      expect(stdout.text).toBe(`${round} line\n`)
      session.close()
      await session.ended
    }
  })

  it('ends with a client that leaves when stdin is for once, although it said nothing', async () => {
    const host = await openAttachHost(name)
    const container = await host.created('/bin/busybox cat; exit 7', { stdin: true, stdinOnce: true })
    const exit = host.exit(container)
    await host.start(container)
    const abort = new AbortController()
    const session = await host.attach(container, { stdout: new Collector() }, abort.signal)
    abort.abort()
    expect(await session.ended).toEqual({ reason: 'closed', error: undefined })
    expect(await exit).toMatchObject({ code: 7 })
  })
})

describe.each(runtimeNames)('the terminal of a container of %s', (name) => {
  it('has the first size when the command looks for the first time', async () => {
    const host = await openAttachHost(name)
    for (let round = 0; round < 10; round += 1) {
      const container = await host.created('/bin/busybox stty size', { terminal: true })
      const stdout = new Collector()
      const resize$ = new BehaviorSubject<TerminalSize>({ width: 100 + round, height: 40 })
      const session = await host.attach(container, { stdout, resize$ })
      await host.start(container)
      expect(await session.ended).toEqual(exited)
      expect(stdout.text).toBe(`40 ${100 + round}\r\n`)
    }
  })

  it('ends up with the last of many sizes', async () => {
    const host = await openAttachHost(name)
    const script = 'while :; do /bin/busybox stty size; /bin/busybox usleep 20000; done'
    const container = await host.created(script, { terminal: true })
    const stdout = new Collector()
    const resize$ = new Subject<TerminalSize>()
    const session = await host.attach(container, { stdout, resize$ })
    await host.start(container)
    for (let width = 1; width <= 1000; width += 1) {
      resize$.next({ width, height: 24 })
      if (width % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const settled = '24 1000\r\n24 1000\r\n'
    await stdout.until((text) => text.endsWith(settled))
    session.close()
    expect(stdout.text).not.toContain('24 999')
  })

  it('is left by the detach keys, which the container does not see, and goes on', async () => {
    const host = await openAttachHost(name)
    const container = await host.created('/bin/busybox stty raw -echo; echo ready; exec /bin/busybox cat', {
      terminal: true,
    })
    const [stdout, stdin] = [new Collector(), new PassThrough()]
    const session = await host.attach(container, { stdin, stdout, tty: true })
    await host.start(container)
    await stdout.until((text) => text.includes('ready'))
    stdin.write('typed\x10')
    await stdout.until((text) => text.includes('typed'))
    stdin.write('\x11not for anybody')
    expect(await session.ended).toEqual({ reason: 'detached', error: undefined })
    expect(stdin.destroyed).toBe(false)
    const again = new PassThrough()
    const second = new Collector()
    await host.attach(container, { stdin: again, stdout: second, detachKeys: '' })
    again.write('\x10\x11')
    await second.until((text) => text.includes('\x11'))
    expect(second.text).toBe('\x10\x11')
  })
})

describe.each(runtimeNames)('attaching to a container of %s', (name) => {
  it('is refused where there is nothing to attach to, saying which', async () => {
    const host = await openAttachHost(name)
    const container = await host.created('exit 0')
    await expect(host.attach(container, { tty: true })).rejects.toMatchObject({ field: 'tty' })
    await expect(host.attach(container, { detachKeys: 'x y' })).rejects.toMatchObject({ field: 'detachKeys' })
    const exit = host.exit(container)
    await host.start(container)
    await exit
    await expect(host.attach(container)).rejects.toMatchObject({
      code: 'ERR_NOT_RUNNING',
      containerId: container.id,
    })
    const orphan = await host.created('sleep 60')
    const monitor = readIdentitySync(pidOf(orphan.bundlePath, 'conmon-pidfile'))
    if (monitor === undefined) throw new Error('there is no monitor')
    process.kill(monitor.pid, SIGKILL)
    // On a busy host it accepts a client or two before it dies.
    await until('the monitor is dead', () => processState(monitor) === 'gone')
    await expect(host.attach(orphan)).rejects.toMatchObject({ code: 'ERR_MONITOR_LOST' })
  })

  it('ends for a client whose own stream fails, and for all when the helper dies, and the container goes on', async () => {
    const host = await openAttachHost(name)
    const container = await host.created('read a; echo "$a"', { stdin: true })
    await host.start(container)
    const broken = new PassThrough()
    const failing = await host.attach(container, { stdout: broken })
    const other = await host.attach(container, { stdout: new Collector() })
    const error = new Error('the browser is gone')
    broken.destroy(error)
    expect(await failing.ended).toEqual({ reason: 'streamFailed', error })
    process.kill(host.bridge.pid ?? 0, SIGKILL)
    expect(await other.ended).toEqual({ reason: 'lost', error: undefined })
    const stdout = new Collector()
    const session = await host.attach(container, { stdin: Readable.from(['alive\n']), stdout })
    expect(await session.ended).toEqual(exited)
    expect(stdout.text).toBe('alive\n')
  })

  it('sees everything of a container that ends at once', async () => {
    const host = await openAttachHost(name)
    for (let round = 0; round < 20; round += 1) {
      const container = await host.created('echo hi')
      const stdout = new Collector()
      const session = await host.attach(container, { stdout })
      await host.start(container)
      expect(await session.ended).toEqual(exited)
      expect(stdout.text).toBe('hi\n')
      await host.impl.delete(container, effect)
    }
  })
})
