import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { joinLogLines, readContainerLog } from '../../src/container-log/index.ts'
import type { Container } from '../../src/container.ts'
import { isOciError, type OciError } from '../../src/errors/index.ts'
import { sendControlLine } from '../../src/impl/oci/control-fifo.ts'
import { killProcess } from '../../src/impl/process-identity.ts'
import type { Created } from '../../src/impl/runtime-impl.ts'
import { entriesOf } from '../support/log-entries.ts'
import { createEffect, effect, openHost, runtimeNames, until } from './oci-host.ts'
import type { BundleOptions, OciHost, RuntimeName } from './oci-host.ts'
import { openStreams, type StreamsOnHost } from './oci-streams.ts'

const KILL = 9
const STOP = 19
const CONT = 18

/** Prints numbers, one per line, until there is a file /stop. */
const counting = 'i=0; while [ ! -e /stop ]; do echo $i; i=$((i+1)); done'
/** Prints what is asked for: one line for each file /print. */
const obedient =
  'while [ ! -e /stop ]; do if [ -e /print ]; then cat /print; /bin/busybox rm /print; fi; sleep 0.01; done'

interface Stage {
  readonly host: OciHost
  readonly streams: StreamsOnHost
  readonly container: Container
  readonly created: Created
}

async function run(runtime: RuntimeName, script: string, options: BundleOptions = {}): Promise<Stage> {
  const host = await openHost(runtime)
  const streams = await openStreams(host)
  const container = await host.container(['/bin/sh', '-c', script], options)
  const created = await host.impl.create(container, createEffect)
  await host.impl.start(container, effect)
  return { host, streams, container, created }
}

async function print({ container }: Stage, text: string): Promise<void> {
  const file = `${container.bundlePath}/rootfs/print`
  writeFileSync(`${file}.new`, `${text}\n`)
  renameSync(`${file}.new`, file)
  await until('it is printed', () => !existsSync(file))
  await until('it is logged', () => readFileSync(container.logPath, 'utf8').endsWith(` F ${text}\n`))
}

function rotate({ logPath }: Container, name: string): string {
  const old = `${logPath}.${name}`
  renameSync(logPath, old)
  return old
}

/** The whole lines of logs that follow each other. A line may begin in one and end in the next. */
async function linesOf(paths: readonly string[]): Promise<{ lines: string[]; defects: number }> {
  let defects = 0
  async function* all() {
    for (const path of paths) yield* readContainerLog(path, { onDefect: () => (defects += 1) })
  }
  const lines: string[] = []
  for await (const { content } of entriesOf(joinLogLines(all()))) lines.push(content.toString())
  return { lines, defects }
}

async function errorOf(promise: Promise<unknown>): Promise<OciError> {
  const error: unknown = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  if (isOciError(error)) return error
  throw error
}

describe.each(runtimeNames)('reopening a log on %s', (runtime) => {
  it('goes on in a new file', async () => {
    const stage = await run(runtime, obedient)
    const { streams, container } = stage
    await print(stage, 'old')
    const old = rotate(container, '1')
    await streams.reopenLog(container, effect)
    expect(statSync(container.logPath)).toMatchObject({ size: 0 })
    expect(statSync(container.logPath).mode & 0o777).toBe(0o600)
    await print(stage, 'new')
    expect(await linesOf([old])).toEqual({ lines: ['old'], defects: 0 })
    expect(await linesOf([container.logPath])).toEqual({ lines: ['new'], defects: 0 })
  })

  it('loses no line over a hundred rotations of a busy log', async () => {
    const { host, streams, container } = await run(runtime, counting)
    const paths: string[] = []
    for (let rotation = 0; rotation < 100; rotation += 1) {
      const sizeBytes = () => statSync(container.logPath).size
      await until('something is logged', () => sizeBytes() > 0)
      paths.push(rotate(container, String(rotation)))
      await streams.reopenLog(container, effect)
    }
    const exit = host.exit(container)
    writeFileSync(`${container.bundlePath}/rootfs/stop`, '')
    await exit
    const { lines, defects } = await linesOf([...paths, container.logPath])
    expect(defects).toBe(0)
    expect(lines.length).toBeGreaterThan(100)
    expect(lines.findIndex((line, index) => line !== String(index))).toBe(-1)
  })

  it('is followed by a reader, through rotations, to the last line', async () => {
    const stage = await run(runtime, obedient)
    const { host, streams, container } = stage
    const ended = host.exit(container)
    const texts: string[] = []
    const reading = (async () => {
      for await (const { content } of entriesOf(readContainerLog(container.logPath, { follow: true, ended })))
        texts.push(content.toString())
    })()
    for (const n of [1, 2, 3]) {
      await print(stage, `line ${n}`)
      await until('it is read', () => texts.length === n)
      rotate(container, String(n))
      await streams.reopenLog(container, effect)
    }
    await print(stage, 'last')
    writeFileSync(`${container.bundlePath}/rootfs/stop`, '')
    await reading
    expect(texts).toEqual(['line 1', 'line 2', 'line 3', 'last'])
  })

  it('refuses to destroy a log', async () => {
    const stage = await run(runtime, obedient)
    const { streams, container } = stage
    // Nothing is in it yet: it is as good as new.
    await streams.reopenLog(container, effect)
    await print(stage, 'precious')
    const error = await errorOf(streams.reopenLog(container, effect))
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      field: 'logPath',
      containerId: container.id,
    })
    expect(error.message).toContain('rename it first')
    rotate(container, '1')
    writeFileSync(container.logPath, "somebody else's")
    expect(await errorOf(streams.reopenLog(container, effect))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
    expect(readFileSync(container.logPath, 'utf8')).toBe("somebody else's")
    expect((await linesOf([`${container.logPath}.1`])).lines).toEqual(['precious'])
  })

  it('refuses what would end the monitor', async () => {
    const stage = await run(runtime, obedient)
    const { streams, container, created } = stage
    await print(stage, 'old')
    const away = `${container.dir}-away`
    renameSync(container.dir, away)
    expect(await errorOf(streams.reopenLog(container, effect))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
    renameSync(away, container.dir)
    rotate(container, '1')
    for (const make of [
      () => mkdirSync(`${container.logPath}.tmp`),
      () => symlinkSync('x', `${container.logPath}.tmp`),
    ]) {
      make()
      expect(await errorOf(streams.reopenLog(container, effect))).toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      })
      rmSync(`${container.logPath}.tmp`, { recursive: true })
    }
    expect(readlinkSync(`/proc/${created.monitor?.pid}/exe`)).toMatch(/conmon$/)
    await streams.reopenLog(container, effect)
    await print(stage, 'new')
  })

  it('works while the container is being stopped', async () => {
    const stage = await run(runtime, `trap 'echo stopping' TERM; ${obedient}`)
    const { host, streams, container, created } = stage
    // It obeys, so its trap is set.
    await print(stage, 'old')
    await host.impl.signal(container, created.init, 15, effect)
    await until('it has begun to stop', () => readFileSync(container.logPath, 'utf8').includes('stopping'))
    rotate(container, '1')
    await streams.reopenLog(container, effect)
    await print(stage, 'new')
    expect((await linesOf([container.logPath])).lines.at(-1)).toBe('new')
  })

  it.each([
    ['is dead', 'before'],
    ['dies meanwhile', 'meanwhile'],
  ])('says so when the monitor %s', async (_, when) => {
    const stage = await run(runtime, obedient)
    const { streams, container, created } = stage
    await print(stage, 'old')
    rotate(container, '1')
    const { monitor } = created
    if (monitor === undefined) throw new Error('it has no monitor')
    if (when === 'before') {
      killProcess(monitor, KILL)
      await created.monitorGone
    } else {
      // It cannot answer until it is dead.
      killProcess(monitor, STOP)
    }
    const reopening = errorOf(streams.reopenLog(container, effect))
    if (when === 'meanwhile') {
      await until('the new file is prepared', () => existsSync(`${container.logPath}.tmp`))
      killProcess(monitor, KILL)
    }
    expect(await reopening).toMatchObject({ code: 'ERR_MONITOR_LOST', containerId: container.id })
    expect(existsSync(`${container.logPath}.tmp`)).toBe(false)
  })

  it('ends its wait when it is aborted, and says when the monitor does not answer', async () => {
    const stage = await run(runtime, obedient)
    const { streams, container, created } = stage
    await print(stage, 'old')
    rotate(container, '1')
    const { monitor } = created
    if (monitor === undefined) throw new Error('it has no monitor')
    killProcess(monitor, STOP)
    const abort = new AbortController()
    const aborted = errorOf(streams.reopenLog(container, { signal: abort.signal }))
    await until('the new file is prepared', () => existsSync(`${container.logPath}.tmp`))
    abort.abort()
    expect(await aborted).toMatchObject({ code: 'ERR_ABORTED' })
    expect(await errorOf(streams.reopenLog(container, effect))).toMatchObject({ code: 'ERR_TIMEOUT' })
    killProcess(monitor, CONT)
    await until('the monitor has done as it was asked', () => existsSync(container.logPath))
    await print(stage, 'new')
    expect((await linesOf([container.logPath])).lines).toEqual(['new'])
  })

  it('is done although it follows resizes', async () => {
    const stage = await run(runtime, obedient)
    const { streams, container } = stage
    await print(stage, 'old')
    rotate(container, '1')
    const fifo = `${container.bundlePath}/ctl`
    const resizes = Array.from({ length: 100 }, (_, n) =>
      sendControlLine(fifo, { kind: 'resize', columns: 80 + n, rows: 24 }, container.id),
    )
    await streams.reopenLog(container, effect)
    await Promise.all(resizes)
    await print(stage, 'new')
    expect((await linesOf([container.logPath])).lines).toEqual(['new'])
  })

  it('tells of each place where a writer that is too fast has overwritten lines', async () => {
    const linesMax = 150_000
    const host = await openHost(runtime, { logSizeMaxBytes: 65_536 })
    const container = await host.container([
      '/bin/sh',
      '-c',
      `i=0; while [ $i -lt ${linesMax} ]; do echo $i; i=$((i+1)); done`,
    ])
    await host.impl.create(container, createEffect)
    const ended = host.exit(container)
    const records = readContainerLog(container.logPath, { follow: true, ended })
    const reading = (async () => {
      let [next, gaps, silent] = [0, 0, 0]
      let isTold = false
      for await (const record of joinLogLines(records)) {
        if (record.type === 'lost') {
          isTold = true
          continue
        }
        const number = Number(record.content.toString())
        if (number !== next && isTold) gaps += 1
        else if (number !== next) silent += 1
        next = number + 1
        isTold = false
      }
      return { next, gaps, silent }
    })()
    await host.impl.start(container, effect)
    // This process is busy, so that files come and go unseen.
    while (!(await Promise.race([ended.then(() => true), setImmediate(false)]))) {
      const busyUntilMs = performance.now() + 20
      while (performance.now() < busyUntilMs);
    }
    const { next, gaps, silent } = await reading
    expect(silent).toBe(0)
    expect(gaps).toBeGreaterThan(0)
    expect(next).toBe(linesMax)
  })

  it('keeps up with a log that is replaced whenever it is full', async () => {
    const host = await openHost(runtime, { logSizeMaxBytes: 8192 })
    const container = await host.container([
      '/bin/sh',
      '-c',
      counting.replace('echo $i', 'echo $i; sleep 0.002'),
    ])
    await host.impl.create(container, createEffect)
    await host.impl.start(container, effect)
    const ended = host.exit(container)
    let next = 0
    for await (const { content } of entriesOf(readContainerLog(container.logPath, { follow: true, ended }))) {
      expect(Number(content.toString())).toBe(next)
      next += 1
      if (next === 1000) writeFileSync(`${container.bundlePath}/rootfs/stop`, '')
    }
    expect(next).toBeGreaterThanOrEqual(1000)
    expect((await linesOf([container.logPath])).lines.length).toBeLessThan(next)
  })
})
