/** crun and runc replaced, or wrapped so that one verb fails; conmon is the real one. */
import { describe, expect, it } from 'vitest'
import {
  containing,
  expectFailedCreate,
  expectPlainWords,
  matching,
  openBadHost,
  programs,
  rejection,
  runtimeNames,
  type BadHost,
  type RuntimeName,
  writeScript,
} from './bad-host.ts'
import { processesNaming, until } from '../oci-host.ts'
import type { Container } from '../../../src/index.ts'
import { patience } from '../../support/patience.ts'
import { processes } from '../../support/proc.ts'

/** The real runtime but for one verb: the arguments are `--root … <verb> …`, or `--root=… <verb> …` from conmon. */
const allBut = (runtime: RuntimeName, verb: string, action: string): string =>
  `case " $* " in *" ${verb} "*) ${action};; esac\nexec ${programs[runtime]} "$@"`

/** For programs that hang: a good one takes a tenth of it. */
const hangsMs = patience(1500)
/** Enough for the real create, which comes before the hanging. */
const createdMs = patience(2500)

const createFailed = { code: 'ERR_CREATE_FAILED' }
const oneMebibyte = 'head -c 1048576 /dev/zero | tr "\\0" x'

describe('a runtime that fails whatever it is asked', () => {
  it.each<[string, string, object]>([
    [
      'with words that nobody knows',
      'echo "the moon is in the wrong house" >&2; exit 1',
      {
        ...createFailed,
        message: 'the moon is in the wrong house',
        command: { stderrTail: containing('the moon') },
      },
    ],
    [
      'without a word',
      'exit 1',
      {
        code: matching(/^ERR_(?:CREATE|MONITOR)_FAILED$/),
        message: containing('without a word'),
      },
    ],
    ['by a crash', 'kill -SEGV $$', { code: matching(/^ERR_(?:CREATE|MONITOR)_FAILED$/) }],
    [
      'and has much to say',
      'head -c 32768 /dev/zero | tr "\\0" x >&2; exit 1',
      { ...createFailed, message: matching(/^x{1000,8192}$/) },
    ],
    ['by saying that all is well', 'exit 0', { code: matching(/^ERR_(?:CREATE|MONITOR)_FAILED$/) }],
  ])('%s', async (_, script, expected) => {
    const host = await openBadHost({ badRuntime: { script } })
    await expectFailedCreate(host, expected)
  })

  it.each(['', 'huh', '0', '1', '-5', '99999999999999999999'])('by writing "%s" as the pid', async (pid) => {
    const script = `for a in "$@"; do [ "$p" = --pid-file ] && printf '%s' '${pid}' > "$a"; p=$a; done; exit 0`
    const host = await openBadHost({ badRuntime: { script } })
    await expectFailedCreate(host, { code: matching(/^ERR_(?:CREATE|MONITOR)_FAILED$/) })
  })

  it.each([
    ['by hanging', 'sleep 1011; true'],
    // conmon reads what create prints only when create is over.
    ['and cannot stop talking', `${oneMebibyte}; ${oneMebibyte} >&2; exit 1`],
  ])('%s', async (_, script) => {
    const host = await openBadHost({
      badRuntime: { script },
      options: { limits: { createTimeoutMs: hangsMs } },
    })
    await expectFailedCreate(host, { code: 'ERR_TIMEOUT', message: containing(`${hangsMs} ms`) })
  })
})

describe.each(runtimeNames)('%s that fails at one verb', (runtime) => {
  it('has hung in create, and leaves nothing', async () => {
    const host = await openBadHost({
      runtime,
      badRuntime: { script: allBut(runtime, 'create', 'setsid sleep 1012 & sleep 1012; true') },
      options: { limits: { createTimeoutMs: hangsMs } },
    })
    await expectFailedCreate(host, { code: 'ERR_TIMEOUT' })
  })

  it('has created the container and then hung, and leaves nothing', async () => {
    const host = await openBadHost({
      runtime,
      badRuntime: { script: allBut(runtime, 'create', `${programs[runtime]} "$@"; sleep 1013; true`) },
      options: { limits: { createTimeoutMs: createdMs } },
    })
    await expectFailedCreate(host, { code: 'ERR_TIMEOUT' })
  })

  it('has created the container and then crashed, and leaves nothing', async () => {
    const host = await openBadHost({
      runtime,
      badRuntime: {
        script: allBut(runtime, 'create', `${programs[runtime]} "$@"; echo "panic: oh" >&2; exit 2`),
      },
    })
    await expectFailedCreate(host, { ...createFailed, message: containing('panic: oh') })
  })

  it.each<[string, string, object]>([
    [
      'fails',
      'echo "cannot see the sky" >&2; exit 9',
      {
        code: 'ERR_RUNTIME_FAILED',
        message: matching(/^bad-runtime start \S+: cannot see the sky$/),
        command: { exitCode: 9, signal: undefined, timedOut: false, stderrTail: 'cannot see the sky\n' },
      },
    ],
    [
      'is killed',
      'kill -KILL $$',
      {
        code: 'ERR_RUNTIME_FAILED',
        message: containing('was killed by SIGKILL'),
        command: { exitCode: undefined, signal: 'SIGKILL', stderrTail: '' },
      },
    ],
    [
      'cannot stop talking',
      `${oneMebibyte}; ${oneMebibyte} >&2; exit 1`,
      { code: 'ERR_RUNTIME_FAILED', command: { exitCode: 1, stderrTail: 'x'.repeat(8192) } },
    ],
    ['hangs', 'sleep 1014; true', { code: 'ERR_TIMEOUT', message: matching(/within \d{4,} ms/) }],
  ])('%s at start, and the container is stopped and gone', async (_, action, expected) => {
    const host = await openBadHost({
      runtime,
      badRuntime: { script: allBut(runtime, 'start', action) },
      options: { limits: { startTimeoutMs: hangsMs } },
    })
    const container = await host.container({ runtimeHandler: 'bad' })
    const before = host.files()
    await host.runtime.createContainer(container)
    const error = await rejection(host.runtime.startContainer(container))
    expect(error).toMatchObject({ containerId: container.id, operation: 'startContainer', ...expected })
    // The machine's own limit knows of no command.
    const argv = error.command?.argv ?? ['start', container.id]
    expect(argv.slice(-2)).toEqual(['start', container.id])
    expectPlainWords(error)
    expect(container.state).toMatchObject({
      status: 'stopped',
      pid: 0,
      error: error.message,
      exit: { kind: 'unknown', why: 'start-failed' },
    })
    expect(host.traces(container)).toEqual([])
    expect(processesNaming(container.id)).toEqual([])
    await host.runtime.deleteContainer(container)
    // The log is the embedder's, and there was a container.
    expect(host.files().filter((file) => file !== container.logPath)).toEqual(before)
    await host.expectGoodContainer(container.id)
  })

  it('fails at pause, and the container runs on', async () => {
    const host = await openBadHost({
      runtime,
      badRuntime: { script: allBut(runtime, 'pause', 'echo "too cold" >&2; exit 1') },
    })
    const container = await running(host)
    const error = await rejection(host.runtime.pauseContainer(container))
    expect(error).toMatchObject({
      code: 'ERR_RUNTIME_FAILED',
      containerId: container.id,
      operation: 'pauseContainer',
      command: { exitCode: 1, stderrTail: 'too cold\n' },
    })
    await expectRunsOn(host, container)
  })

  it('hangs at pause, and the container runs on', async () => {
    const host = await openBadHost({
      runtime,
      badRuntime: { script: allBut(runtime, 'pause', 'sleep 1015; true') },
      options: { limits: { pauseTimeoutMs: hangsMs } },
    })
    const container = await running(host)
    const error = await rejection(host.runtime.pauseContainer(container))
    expect(error).toMatchObject({
      code: 'ERR_TIMEOUT',
      operation: 'pauseContainer',
      containerId: container.id,
    })
    await expectRunsOn(host, container)
  })

  it('fails at resume, and the container stays paused until it is stopped', async () => {
    const host = await openBadHost({
      runtime,
      badRuntime: { script: allBut(runtime, 'resume', 'echo "too warm" >&2; exit 1') },
    })
    const container = await running(host)
    await host.runtime.pauseContainer(container)
    const error = await rejection(host.runtime.unpauseContainer(container))
    expect(error).toMatchObject({
      code: 'ERR_RUNTIME_FAILED',
      operation: 'unpauseContainer',
      command: { exitCode: 1, stderrTail: 'too warm\n' },
    })
    await until('the freezer was looked at', () => container.phase !== 'observing')
    expect(container.status).toBe('paused')
    await host.runtime.stopContainer(container, 0)
    await host.runtime.deleteContainer(container)
    expect(host.traces(container)).toEqual([])
  })

  it.each([
    ['junk', 'echo "<html>"; exit 0'],
    ['an unknown status', `echo '{"status":"dreaming","pid":1}'; exit 0`],
    ['the pid of init', `echo '{"status":"running","pid":1}'; exit 0`],
    ['more than anybody reads', `${oneMebibyte}; ${oneMebibyte}; exit 0`],
    ['an error', 'echo "out of ink" >&2; exit 1'],
    ['nothing, for ever', 'sleep 1017; true'],
  ])('fails at pause and then says %s at state, and the container can be stopped', async (_, state) => {
    const script = `case " $* " in *" state "*) ${state};; esac\n${allBut(runtime, 'pause', 'exit 1')}`
    const host = await openBadHost({ runtime, badRuntime: { script } })
    const container = await running(host)
    const error = await rejection(host.runtime.pauseContainer(container))
    expect(error).toMatchObject({ code: 'ERR_RUNTIME_FAILED', operation: 'pauseContainer' })
    await expectRunsOn(host, container)
  })

  it('fails at delete, which succeeds once the runtime is repaired', async () => {
    const host = await openBadHost({
      runtime,
      badRuntime: { script: allBut(runtime, 'delete', 'echo "cannot let go" >&2; exit 1') },
      options: { limits: { retryBackoffMs: 10 } },
    })
    const container = await running(host)
    await host.runtime.stopContainer(container, 0)
    const error = await rejection(host.runtime.deleteContainer(container))
    expect(error).toMatchObject({
      code: 'ERR_RUNTIME_FAILED',
      operation: 'deleteContainer',
      command: { exitCode: 1, stderrTail: 'cannot let go\n' },
    })
    expect(container.status).toBe('stopped')
    writeScript(host.root, 'bad-runtime', `exec ${programs[runtime]} "$@"`)
    await host.runtime.deleteContainer(container)
    expect(host.traces(container)).toEqual([])
    await host.expectGoodContainer(container.id)
  })

  it('has hung in create and fails at delete: what it left goes once it is repaired', async () => {
    const host = await openBadHost({
      runtime,
      badRuntime: {
        script: `case " $* " in *" create "*) ${programs[runtime]} "$@"; sleep 1016;; *" delete "*) exit 1;; esac\nexec ${programs[runtime]} "$@"`,
      },
      options: { limits: { createTimeoutMs: createdMs, retryBackoffMs: 10 } },
    })
    const container = await host.container({ runtimeHandler: 'bad' })
    expect(await rejection(host.runtime.createContainer(container))).toMatchObject({ code: 'ERR_TIMEOUT' })
    expect(container.phase).toBe('failed')
    const error = await rejection(host.runtime.deleteContainer(container))
    expect(error).toMatchObject({ code: 'ERR_RUNTIME_FAILED', operation: 'deleteContainer' })
    writeScript(host.root, 'bad-runtime', `exec ${programs[runtime]} "$@"`)
    await host.runtime.deleteContainer(container)
    expect(host.traces(container)).toEqual([])
    await host.expectGoodContainer(container.id)
  })

  it('fails at start and at delete: a container that is said to have stopped has no process', async () => {
    const host = await openBadHost({
      runtime,
      badRuntime: {
        script: `case " $* " in *" start "*|*" delete "*) exit 1;; esac\nexec ${programs[runtime]} "$@"`,
      },
      options: { limits: { retryBackoffMs: 10 } },
    })
    const container = await host.container({ runtimeHandler: 'bad' })
    await host.runtime.createContainer(container)
    const { pid } = container.state
    expect(processes().get(pid)).toBeDefined()
    await rejection(host.runtime.startContainer(container))
    expect(container.status).toBe('stopped')
    // Nobody need have reaped it.
    expect(processes().get(pid)?.state ?? 'Z').toBe('Z')
    writeScript(host.root, 'bad-runtime', `exec ${programs[runtime]} "$@"`)
    await host.runtime.deleteContainer(container)
    expect(host.traces(container)).toEqual([])
  })
})

async function running(host: BadHost): Promise<Container> {
  const container = await host.container({ runtimeHandler: 'bad' })
  await host.runtime.createContainer(container)
  await host.runtime.startContainer(container)
  return container
}

async function expectRunsOn(host: BadHost, container: Container): Promise<void> {
  expect(container.status).toBe('running')
  await host.runtime.stopContainer(container, 0)
  expect(container.state.exit).toMatchObject({ kind: 'code', code: 137 })
  await host.runtime.deleteContainer(container)
  expect(host.traces(container)).toEqual([])
}
