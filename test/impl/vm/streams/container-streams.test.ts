import { createHash } from 'node:crypto'
import { existsSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { BehaviorSubject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { inTurn } from '../../../../src/impl/vm/streams/disk-turns.ts'
import { Collector, neverRead } from '../../../support/collector.ts'
import { noAbort, Stage } from './stage.ts'

const mebi = 1024 * 1024
const exited = { reason: 'exited', error: undefined }

function digestOf(byte: string, sizeBytes: number): string {
  return createHash('sha256').update(Buffer.alloc(sizeBytes, byte)).digest('hex')
}

describe('the FIFOs of a container', () => {
  it('are private, and only those that there are', async () => {
    const stage = new Stage({ stdin: true })
    const { paths } = await stage.make()
    expect(statSync(stage.spec.directory).mode & 0o777).toBe(0o700)
    for (const path of [paths.stdin, paths.stdout, paths.stderr]) {
      expect([statSync(path).isFIFO(), statSync(path).mode & 0o777]).toEqual([true, 0o600])
    }
    const terminal = new Stage({ terminal: true })
    expect(await terminal.make()).toMatchObject({
      paths: { stdin: `${terminal.spec.directory}/in`, stdout: `${terminal.spec.directory}/out`, stderr: '' },
    })
    const silent = new Stage()
    expect((await silent.make()).paths.stdin).toBe('')
    expect(existsSync(`${silent.spec.directory}/in`)).toBe(false)
  })

  it('leave nothing behind when the log cannot be made', async () => {
    const stage = new Stage({ logPath: '/dev/null/log' })
    await expect(stage.make()).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'logPath' })
    expect(existsSync(stage.spec.directory)).toBe(false)
  })
})

describe('the output of a container', () => {
  it.each([0, 1, 8191, 8192, 8193, 20 * 1024, 10 * mebi])(
    'of %i bytes is whole on both streams, for the client and in the log',
    async (sizeBytes) => {
      const stage = new Stage()
      await stage.make()
      const [stdout, stderr] = [new Collector(), new Collector()]
      const session = await stage.attach({ stdout, stderr })
      const zeros = `head -c ${sizeBytes} /dev/zero`
      expect(await stage.run(`${zeros} & ${zeros} | tr '\\0' x >&2; wait`)).toBe(true)
      expect(await session.ended).toEqual(exited)
      expect([stdout.digest(), stderr.digest()]).toEqual([
        digestOf('\0', sizeBytes),
        digestOf('x', sizeBytes),
      ])
      const logged = new Map((await stage.lines()).map((line) => [line[0], line.length]))
      expect(logged).toEqual(
        new Map(
          sizeBytes === 0
            ? []
            : [
                ['\0', sizeBytes],
                ['x', sizeBytes],
              ],
        ),
      )
    },
  )

  it('is the same for every client, and none is missed by one that came before the start', async () => {
    const stage = new Stage()
    await stage.make()
    const clients = Array.from({ length: 5 }, () => new Collector())
    const sessions = await Promise.all(clients.map((stdout) => stage.attach({ stdout })))
    await stage.run('seq 1 100000')
    for (const session of sessions) expect(await session.ended).toEqual(exited)
    expect(new Set(clients.map((client) => client.digest())).size).toBe(1)
    expect(clients[0]?.sizeBytes).toBe(588_895)
    expect(await stage.lines()).toHaveLength(100_000)
  })

  it('does not wait for a client that never reads', async () => {
    const stage = new Stage()
    await stage.make()
    const stdout = new Collector()
    const stuck = await stage.attach({ stdout: neverRead(), bufferMaxBytes: mebi })
    const session = await stage.attach({ stdout })
    expect(await stage.run('head -c 20971520 /dev/zero')).toBe(true)
    expect(await stuck.ended).toEqual({ reason: 'dropped', error: undefined })
    expect(await session.ended).toEqual(exited)
    expect(stdout.sizeBytes).toBe(20 * mebi)
    expect((await stage.lines()).map((line) => line.length)).toEqual([20 * mebi])
  })

  it('of a terminal is one stream', async () => {
    const stage = new Stage({ terminal: true })
    await stage.make()
    const stdout = new Collector()
    const session = await stage.attach({ stdout, tty: true })
    await stage.run('printf "a\\r\\n"; printf "b\\r\\n" >&2')
    expect(await session.ended).toEqual(exited)
    expect(stdout.text).toBe('a\r\nb\r\n')
    expect(await stage.lines()).toEqual(['a\r', 'b\r'])
  })

  it('is drained up to the limit when a child keeps it open', async () => {
    const stage = new Stage()
    await stage.make()
    const stdout = new Collector()
    const session = await stage.attach({ stdout })
    expect(await stage.run('sleep 3 & echo last', 200)).toBe(false)
    expect(await session.ended).toEqual(exited)
    expect(stdout.text).toBe('last\n')
    expect(await stage.lines()).toEqual(['last'])
  })
})

describe('the input of a container', () => {
  it('arrives whole and ends with the client when stdin is for once', async () => {
    const stage = new Stage({ stdin: true, stdinOnce: true })
    await stage.make()
    const stdout = new Collector()
    const stdin = Readable.from(Array.from({ length: 160 }, () => Buffer.alloc(65_536, 'i')))
    const session = await stage.attach({ stdin, stdout })
    expect(await stage.run('cat')).toBe(true)
    expect(await session.ended).toEqual(exited)
    expect([stdout.sizeBytes, stdout.digest()]).toEqual([10 * mebi, digestOf('i', 10 * mebi)])
    expect(stage.closedStdin).toBe(1)
  })

  it('is that of all clients, and stays open for the next one otherwise', async () => {
    const stage = new Stage({ stdin: true })
    await stage.make()
    await stage.start('cat')
    const all = new Collector()
    await stage.attach({ stdout: all })
    for (const round of ['one', 'two']) {
      const stdin = Readable.from([`${round}\n`])
      const session = await stage.attach({ stdin })
      await all.until((text) => text.includes(`${round}\n`))
      session.close()
      expect(await session.ended).toEqual({ reason: 'closed', error: undefined })
    }
    const [first, second] = [new PassThrough(), new PassThrough()]
    for (const stdin of [first, second]) await stage.attach({ stdin })
    first.write('three\n')
    await all.until((text) => text.includes('three\n'))
    second.write('four\n')
    await all.until((text) => text.endsWith('four\n'))
    expect(all.text).toBe('one\ntwo\nthree\nfour\n')
    expect(stage.closedStdin).toBe(0)
  })

  it('ends with a client that leaves when stdin is for once, although it said nothing', async () => {
    const stage = new Stage({ stdin: true, stdinOnce: true })
    await stage.make()
    const shim = await stage.start('cat; exit 7')
    const abort = new AbortController()
    const session = await stage.attach({}, abort.signal)
    abort.abort()
    expect(await session.ended).toEqual({ reason: 'closed', error: undefined })
    expect(await shim.exited).toBe(7)
  })

  it('that is left unread costs nothing of the output', async () => {
    const stage = new Stage({ stdin: true })
    await stage.make()
    const stdout = new Collector()
    const stdin = Readable.from([Buffer.from('go\n'), Buffer.alloc(mebi)])
    const session = await stage.attach({ stdin, stdout })
    expect(await stage.run('read line; echo last words')).toBe(true)
    expect(await session.ended).toEqual(exited)
    expect(stdout.text).toBe('last words\n')
  })

  it('is thrown away once it has ended, without an error', async () => {
    const stage = new Stage({ stdin: true, stdinOnce: true })
    await stage.make()
    await stage.start('cat; sleep 60')
    const first = await stage.attach({ stdin: Readable.from(['a']) })
    const stdout = new Collector()
    await stage.attach({ stdout })
    await stdout.until((text) => text === 'a')
    first.close()
    const late = await stage.attach({ stdin: Readable.from([Buffer.alloc(mebi)]) })
    late.close()
    expect(await late.ended).toEqual({ reason: 'closed', error: undefined })
    expect(stage.logger.messages).toEqual([])
  })
})

describe('attaching', () => {
  it('ends by the detach keys, which the container does not see, and the container goes on', async () => {
    const stage = new Stage({ terminal: true })
    await stage.make()
    await stage.start('cat')
    const [stdin, stdout] = [new PassThrough(), new Collector()]
    const session = await stage.attach({ stdin, stdout })
    stdin.write('typed\x10')
    await stdout.until((text) => text.includes('typed'))
    stdin.write('\x11not for anybody')
    expect(await session.ended).toEqual({ reason: 'detached', error: undefined })
    const [again, second] = [new PassThrough(), new Collector()]
    await stage.attach({ stdin: again, stdout: second, detachKeys: '' })
    again.write('\x10\x11')
    await second.until((text) => text.includes('\x11'))
    expect(second.text).toBe('\x10\x11')
  })

  it('sets the first size before it is done', async () => {
    const stage = new Stage({ terminal: true })
    await stage.make()
    const resize$ = new BehaviorSubject({ width: 100, height: 40 })
    const session = await stage.attach({ resize$ })
    expect(stage.sizes).toEqual([{ width: 100, height: 40 }])
    session.close()
    await session.ended
    expect(resize$.observed).toBe(false)
  })

  it('is refused where there is nothing to attach to, or something is wrong with what is asked for', async () => {
    const stage = new Stage()
    await stage.make()
    await expect(stage.attach({ tty: true })).rejects.toMatchObject({ field: 'tty' })
    await expect(stage.attach({ bufferMaxBytes: 0 })).rejects.toMatchObject({ field: 'bufferMaxBytes' })
    await expect(stage.attach({}, AbortSignal.abort())).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    for (let count = 0; count < 64; count += 1) await stage.attach()
    await expect(stage.attach()).rejects.toMatchObject({ code: 'ERR_BUSY', containerId: 'c1' })
    await stage.run('true')
    await expect(stage.attach()).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
  })

  it('ends for a client whose own stream fails, and not for the others', async () => {
    const stage = new Stage({ stdin: true })
    await stage.make()
    await stage.start('read a; echo "$a"')
    const broken = new PassThrough()
    const failing = await stage.attach({ stdout: broken })
    const stdout = new Collector()
    const other = await stage.attach({ stdin: Readable.from(['alive\n']), stdout })
    const error = new Error('the browser is gone')
    broken.destroy(error)
    expect(await failing.ended).toEqual({ reason: 'streamFailed', error })
    await stage.shim.exited
    await stage.streams.drain(2000)
    expect(await other.ended).toEqual(exited)
    expect(stdout.text).toBe('alive\n')
  })

  it('ends as lost when the shim dies, and what the pipes held is logged', async () => {
    const stage = new Stage()
    await stage.make()
    await stage.start('echo said; exec sleep 60')
    const session = await stage.attach()
    await stage.streams.lose()
    expect(await session.ended).toEqual({ reason: 'lost', error: undefined })
    expect(await stage.lines()).toEqual(['said'])
  })
})

describe('a log', () => {
  it('comes first: no more is read than is being written', async () => {
    const stage = new Stage()
    await stage.make()
    const stdout = new Collector()
    await stage.attach({ stdout })
    const { promise: hang, resolve: answer } = Promise.withResolvers<void>()
    const hanging = inTurn(statSync(stage.root).dev, () => hang)
    const shim = await stage.start('head -c 1000000 /dev/zero')
    await stdout.until((text) => text.length > 0)
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(stdout.sizeBytes).toBeLessThanOrEqual(65_536)
    answer()
    await hanging
    await shim.exited
    expect(await stage.streams.drain(5000)).toBe(true)
    expect(stage.streams.lostBytes).toBe(0)
    expect((await stage.lines()).map((line) => line.length)).toEqual([1_000_000])
  })

  it('loses no line over a hundred rotations of a busy log', async () => {
    const stage = new Stage()
    await stage.make()
    const stop = join(stage.root, 'stop')
    const shim = await stage.start(`i=0; while [ ! -e ${stop} ]; do echo $i; i=$((i+1)); done; echo $i`)
    const paths: string[] = []
    for (let rotation = 0; rotation < 100; rotation += 1) {
      while (statSync(stage.spec.logPath).size === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      const old = `${stage.spec.logPath}.${rotation}`
      renameSync(stage.spec.logPath, old)
      paths.push(old)
      await stage.streams.reopenLog(noAbort)
      expect(statSync(stage.spec.logPath).mode & 0o777).toBe(0o600)
    }
    writeFileSync(stop, '')
    expect(await shim.exited).toBe(0)
    expect(await stage.streams.drain(5000)).toBe(true)
    const lines = await stage.lines([...paths, stage.spec.logPath])
    expect(lines.length).toBeGreaterThan(100)
    expect(lines.findIndex((line, index) => line !== String(index))).toBe(-1)
  })
})
