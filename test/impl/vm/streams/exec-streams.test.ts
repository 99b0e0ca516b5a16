import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeExecStreams } from '../../../../src/impl/vm/streams/exec-streams.ts'
import type { ExecPipes, ExecStreams, ExecStreamsSpec } from '../../../../src/impl/vm/streams/streams.ts'
import { makeTempRoot } from '../../../support/temp-root.ts'
import { FakeShim } from './fake-shim.ts'
import { fifosIn } from './fifos.ts'
import { MessageLog } from './stage.ts'

const mebi = 1024 * 1024

interface Exec {
  readonly streams: ExecStreams
  readonly pipes: ExecPipes
  readonly shim: FakeShim
  readonly directory: string
  readonly closed: { count: number }
  readonly logger: MessageLog
}

async function exec(program: string, spec: Partial<ExecStreamsSpec> = {}): Promise<Exec> {
  const root = makeTempRoot()
  const directory = join(root, 'e1')
  const closed = { count: 0 }
  const logger = new MessageLog()
  let shim: FakeShim | undefined
  const closeStdin = async (): Promise<void> => {
    closed.count += 1
    await shim?.closeIo()
  }
  const streams = await makeExecStreams(
    { logger, fifos: fifosIn(root) },
    { containerId: 'c1', directory, terminal: false, stdin: false, stdout: true, stderr: true, ...spec },
    { closeStdin },
  )
  onTestFinished(() => streams.close())
  streams.starting()
  shim = await FakeShim.start(streams.paths, program)
  onTestFinished(shim.kill.bind(shim))
  return { streams, pipes: streams.started(), shim, directory, closed, logger }
}

function given<T extends Readable | Writable>(stream: T | undefined): T {
  if (stream === undefined) throw new Error('there is no such stream')
  return stream
}

async function lengthOf(output: Readable | undefined): Promise<number | undefined> {
  return output === undefined ? undefined : (await buffer(output)).length
}

describe('the streams of a command', () => {
  it('carry ten mebibytes each way, and what ends stdin ends its input', async () => {
    const { pipes, shim, closed, streams, directory } = await exec('cat; echo over >&2', { stdin: true })
    const sent = Buffer.alloc(10 * mebi, 'abcdefg')
    const [received, said] = await Promise.all([
      buffer(given(pipes.stdout)),
      text(given(pipes.stderr)),
      pipeline(Readable.from([sent]), given(pipes.stdin)),
    ])
    expect(createHash('sha256').update(received).digest('hex')).toBe(
      createHash('sha256').update(sent).digest('hex'),
    )
    expect(said).toBe('over\n')
    expect(await shim.exited).toBe(0)
    expect(closed.count).toBe(1)
    await streams.exited(2000)
    expect(existsSync(directory)).toBe(false)
  })

  it('have all of a command that had ended before anybody read', async () => {
    const { pipes, shim, streams } = await exec('echo out; echo err >&2')
    await shim.exited
    await streams.exited(2000)
    expect(await text(given(pipes.stdout))).toBe('out\n')
    expect(await text(given(pipes.stderr))).toBe('err\n')
  })

  it('slow the command down when nobody reads', async () => {
    const done = join(makeTempRoot(), 'done')
    const { pipes, shim } = await exec(`head -c 1000000 /dev/zero; : >${done}; exit 3`, { stderr: false })
    expect(pipes.stderr).toBeUndefined()
    await once(given(pipes.stdout), 'readable')
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(existsSync(done)).toBe(false)
    expect(await buffer(given(pipes.stdout))).toHaveLength(1_000_000)
    expect(await shim.exited).toBe(3)
  })

  it('end soon after the command although a child keeps one open', async () => {
    const { pipes, shim, streams } = await exec('sleep 60 & echo said', { stderr: false })
    const stdout = text(given(pipes.stdout))
    await shim.exited
    await streams.exited(50)
    expect(await stdout).toBe('said\n')
  })

  it('that nobody wants any more end its input and let it run on', async () => {
    const { shim, streams, closed } = await exec('cat; head -c 1000000 /dev/zero; exit 5', { stdin: true })
    streams.discard()
    expect(await shim.exited).toBe(5)
    expect(closed.count).toBe(1)
  })

  // The shim opens both outputs as soon as it has any of the streams.
  it.each([
    { stdin: false, stdout: true, stderr: false },
    { stdin: false, stdout: false, stderr: true },
    { stdin: true, stdout: false, stderr: false },
  ])('that nobody wants are there for the shim, and hold up nobody: %j', async (wanted) => {
    const flood = 'head -c 1000000 /dev/zero'
    const { pipes, shim, streams } = await exec(`${flood}; ${flood} >&2; exit 3`, wanted)
    expect([streams.paths.stdout, streams.paths.stderr]).not.toContain('')
    expect([pipes.stdin, pipes.stdout, pipes.stderr].map((stream) => stream !== undefined)).toEqual(
      Object.values(wanted),
    )
    const lengths = Promise.all([lengthOf(pipes.stdout), lengthOf(pipes.stderr)])
    expect(await shim.exited).toBe(3)
    await streams.exited(2000)
    expect(await lengths).toEqual(
      [wanted.stdout, wanted.stderr].map((isWanted) => (isWanted ? 1_000_000 : undefined)),
    )
  })

  it('of a terminal are one output', async () => {
    const { pipes, streams } = await exec('echo a; echo b >&2', { terminal: true, stderr: true })
    expect(streams.paths.stderr).toBe('')
    expect(pipes.stderr).toBeUndefined()
    expect(await text(given(pipes.stdout))).toBe('a\nb\n')
  })

  it('of one that was never started leave nothing, and its shim is told nothing', async () => {
    const root = makeTempRoot()
    const directory = join(root, 'e1')
    let closed = 0
    const streams = await makeExecStreams(
      { logger: new MessageLog(), fifos: fifosIn(root) },
      { containerId: 'c1', directory, terminal: false, stdin: true, stdout: true, stderr: true },
      { closeStdin: () => Promise.resolve(void (closed += 1)) },
    )
    streams.starting()
    await streams.close()
    expect(existsSync(directory)).toBe(false)
    expect(closed).toBe(0)
  })
})
