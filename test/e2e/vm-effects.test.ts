/** What RuntimeVM does beyond the contract, with containerd's shim for runc: streams, commands, restarts, leftovers. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { PassThrough, type Readable } from 'node:stream'
import { of } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { ExecRequest, ExecSession } from '../../src/impl/exec-port.ts'
import type { RuntimeImpl } from '../../src/impl/runtime-impl.ts'
import type { Container } from '../../src/container.ts'
import { killProcess, observeProcess, readIdentitySync } from '../../src/impl/process-identity.ts'
import { readAll, sha256, sha256Of } from './exec-host.ts'
import { createEffect, effect, noAbort, processesNaming, until } from './oci-host.ts'
import { openVmHost, shimOf, socketPathOf, vmTraces, type VmHost } from './vm-host.ts'

const tenMebibytes = 10 * 1024 * 1024
const SIGKILL = 9

function tracesOf({ config }: VmHost, container: Container): string[] {
  const runtimeRoot = config.runtimes['shim']?.runtimeRoot ?? ''
  return vmTraces({ runDir: config.runDir, runtimeRoot }, container)
}

async function started(host: VmHost, script: string): Promise<Container> {
  const container = await host.created(script)
  await host.impl.start(container, effect)
  return container
}

/** Its exit is waited for where it still runs, and it is deleted. */
async function removed(host: VmHost, container: Container): Promise<void> {
  const { init } = await host.impl.observe(container, effect)
  if (init !== undefined) {
    const exit = host.exit(container)
    await host.impl.signal(container, init, SIGKILL, effect)
    await exit
  }
  await host.impl.delete(container, effect)
  await host.impl.exits.discard(container.id)
}

function execsOf(impl: RuntimeImpl): NonNullable<RuntimeImpl['execs']> {
  if (impl.execs === undefined) throw new Error('RuntimeVM has no execs')
  return impl.execs
}

function exec(host: VmHost, container: Container, request: ExecRequest): Promise<ExecSession> {
  return execsOf(host.impl).startExec(container, request, effect)
}

/** The log's lines without their times. */
function logged(container: Container): string[] {
  const lines = readFileSync(container.logPath, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => line.replace(/^\S+ /, ''))
}

describe('a container behind a shim', () => {
  it('logs its output as CRI has it, whole before its exit is reported, and leaves no trace but that', async () => {
    const host = await openVmHost()
    const container = await host.created('echo one; echo two >&2; printf three; exit 300')
    expect(existsSync(socketPathOf(container.id))).toBe(true)
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    expect(await exit).toMatchObject({ code: 44 })
    expect(logged(container).toSorted()).toEqual(['stderr F two', 'stdout F one', 'stdout P three'])
    await host.impl.delete(container, effect)
    await host.impl.exits.discard(container.id)
    expect(tracesOf(host, container)).toEqual([])
  })

  it('lets several clients attach, and ends its input when a client’s ends', async () => {
    const host = await openVmHost()
    const container = await host.created('cat', { stdin: true, stdinOnce: true })
    const outputs = [new PassThrough(), new PassThrough()] as const
    const stdin = new PassThrough()
    const [stdout, other] = outputs
    const watcher = await host.impl.attach?.(container, { stdout: other }, effect)
    const session = await host.impl.attach?.(container, { stdin, stdout }, effect)
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    const texts = outputs.map((output) => readText(output, 'hello\n'.length))
    stdin.write('hello\n')
    expect(await Promise.all(texts)).toEqual(['hello\n', 'hello\n'])
    stdin.end()
    expect(await exit).toMatchObject({ code: 0 })
    expect((await session?.ended)?.reason).toBe('exited')
    expect((await watcher?.ended)?.reason).toBe('exited')
    expect(logged(container)).toEqual(['stdout F hello'])
    await removed(host, container)
  })

  it('has a terminal of the size that its client has', async () => {
    const host = await openVmHost()
    const container = await host.created('read go; stty size', { terminal: true, stdin: true })
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    const stdin = new PassThrough()
    const stdout = new PassThrough()
    const request = { stdin, stdout, tty: true, resize$: of({ width: 123, height: 45 }) }
    await host.impl.attach?.(container, request, effect)
    const text = readText(stdout, 'go\r\n45 123\r\n'.length)
    stdin.write('go\n')
    expect(await text).toBe('go\r\n45 123\r\n')
    expect(await exit).toMatchObject({ code: 0 })
    await removed(host, container)
  })

  it('goes on in a new log when the old one was moved away', async () => {
    const host = await openVmHost()
    const container = await started(host, 'echo before; while [ ! -e /go ]; do sleep 0.02; done; echo after')
    await until('the first line is logged', () => logged(container).length === 1)
    renameSync(container.logPath, `${container.logPath}.1`)
    await host.impl.streams?.reopenLog(container, effect)
    const exit = host.exit(container)
    await execsOf(host.impl).execSync(container, { argv: ['/bin/touch', '/go'] }, effect)
    await exit
    expect(logged(container)).toEqual(['stdout F after'])
    await removed(host, container)
  })

  it('is taken up after a restart: its output, its exit, its clean-up', async () => {
    const host = await openVmHost()
    const container = await started(
      host,
      'i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); [ $i = 100 ] && sleep 1; done; while [ ! -e /go ]; do sleep 0.02; done; exit 6',
    )
    await until('something is logged', () => existsSync(container.logPath) && logged(container).length > 10)
    await host.impl.close()
    const again = host.restarted()
    again.exits.expect(container.id)
    const exit = host.exit(container)
    expect(await again.observe(container, effect)).toMatchObject({ status: 'running' })
    await execsOf(again).execSync(container, { argv: ['/bin/touch', '/go'] }, effect)
    expect(await exit).toMatchObject({ code: 6 })
    expect(logged(container)).toEqual(Array.from({ length: 300 }, (_, index) => `stdout F line ${index}`))
    await again.delete(container, effect)
    await again.exits.discard(container.id)
    expect(tracesOf(host, container)).toEqual([])
    await again.close()
  })

  it('that ended while nobody watched is reported with its code after a restart', async () => {
    const host = await openVmHost()
    const container = await started(host, 'while [ ! -e /go ]; do sleep 0.02; done; exit 9')
    const { init } = await host.impl.observe(container, effect)
    if (init === undefined) throw new Error('it has no process')
    await host.impl.close()
    killProcess(init, SIGKILL)
    await until('it is dead', async () => (await observeProcess(init)) === 'gone')
    const again = host.restarted()
    again.exits.expect(container.id)
    const exit = host.exit(container)
    expect(await again.observe(container, effect)).toMatchObject({ status: 'stopped' })
    expect(await exit).toMatchObject({ code: 137 })
    await again.delete(container, effect)
    await again.exits.discard(container.id)
    expect(tracesOf(host, container)).toEqual([])
    await again.close()
  })

  it('shares its shim with the others of its pod, which goes with the last of them', async () => {
    const host = await openVmHost()
    const group = `pod-${randomBytes(4).toString('hex')}`
    const containers: Container[] = []
    for (let index = 0; index < 3; index += 1) {
      const container = await host.container(['/bin/sleep', '1000'], {
        change: (spec) => {
          spec.annotations = { 'io.containerd.runc.v2.group': group }
        },
      })
      await host.impl.create(container, createEffect)
      await host.impl.start(container, effect)
      containers.push(container)
    }
    expect(new Set(containers.map((container) => shimOf(container).pid)).size).toBe(1)
    const [first, second, third] = containers
    if (first === undefined || second === undefined || third === undefined) throw new Error('three were made')
    const shim = shimOf(first)
    await removed(host, first)
    await removed(host, third)
    expect(await host.impl.observe(second, effect)).toMatchObject({ status: 'running' })
    expect(readIdentitySync(shim.pid)).toBeDefined()
    await removed(host, second)
    expect(readIdentitySync(shim.pid)).toBeUndefined()
    expect(existsSync(shim.socketPath)).toBe(false)
  })

  it('is out of memory also when a KILL came too late', async () => {
    const host = await openVmHost()
    const container = await host.container(['/bin/tail', '/dev/zero'], { memoryLimitBytes: 20 * 1024 * 1024 })
    const { init } = await host.impl.create(container, createEffect)
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    expect(await exit).toMatchObject({ code: 137 })
    const late = host.impl.signal(container, init, SIGKILL, effect)
    await expect(late).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
    expect(await host.impl.oomKilled(container, 137, effect)).toBe(true)
    await removed(host, container)
  })
})

describe('a command in a container behind a shim', () => {
  it('gives its output and its exit code', async () => {
    const host = await openVmHost()
    const container = await started(host, 'sleep 1000')
    const run = (script: string, more: object = {}) =>
      execsOf(host.impl).execSync(container, { argv: ['/bin/sh', '-c', script], ...more }, effect)
    const result = await run('echo out; echo err >&2; exit 3')
    expect({ ...result, stdout: String(result.stdout), stderr: String(result.stderr) }).toEqual({
      exitCode: 3,
      stdout: 'out\n',
      stderr: 'err\n',
      timedOut: false,
      truncated: false,
      drained: true,
    })
    expect(await run('echo $A; pwd', { env: { A: 'b' }, cwd: '/bin' })).toMatchObject({
      stdout: Buffer.from('b\n/bin\n'),
    })
    expect(await run('sleep 1000', { timeoutMs: 300 })).toMatchObject({ exitCode: -1, timedOut: true })
    expect(await run('sleep 3 & echo left', { drainMs: 100 })).toMatchObject({
      exitCode: 0,
      stdout: Buffer.from('left\n'),
      drained: false,
    })
    const truncated = await run('cat /dev/zero | head -c 100000', { outputMaxBytes: 1000 })
    expect([truncated.stdout.length, truncated.truncated]).toEqual([1000, true])
    await expect(
      execsOf(host.impl).execSync(container, { argv: ['/no/such'] }, effect),
    ).rejects.toMatchObject({
      code: 'ERR_COMMAND_NOT_FOUND',
      name: 'ExecSyncError',
    })
    await removed(host, container)
    expect(tracesOf(host, container)).toEqual([])
  })

  it('carries ten mebibytes each way, without loss', async () => {
    const host = await openVmHost()
    const container = await started(host, 'sleep 1000')
    const bytes = randomBytes(tenMebibytes)
    const session = await exec(host, container, { argv: ['/bin/cat'], stdin: true })
    const output = sha256(session.stdout)
    session.stdin?.end(bytes)
    expect(await output).toEqual({ sizeBytes: tenMebibytes, hash: sha256Of(bytes) })
    expect(await session.exited).toEqual({ kind: 'code', code: 0 })
    await removed(host, container)
  })

  it('has a terminal that follows its size, and is signalled', async () => {
    const host = await openVmHost()
    const container = await started(host, 'sleep 1000')
    const session = await exec(host, container, {
      argv: [
        '/bin/sh',
        '-c',
        'trap "exit 5" TERM; stty size; read x; stty size; while :; do sleep 0.05; done',
      ],
      tty: true,
      size: { width: 80, height: 24 },
      stdin: true,
    })
    if (session.stdout === undefined) throw new Error('it has an output')
    const first = '24 80\r\n'
    expect(await readText(session.stdout, first.length)).toBe(first)
    await session.resize({ width: 101, height: 31 })
    const second = readText(session.stdout, '\r\n31 101\r\n'.length)
    session.stdin?.write('\n')
    expect(await second).toBe('\r\n31 101\r\n')
    expect(await session.kill(15)).toBe(true)
    expect(await session.exited).toEqual({ kind: 'code', code: 5 })
    expect(await session.kill(15)).toBe(false)
    await removed(host, container)
  })

  it('takes with it what it has started, when it is killed or its time is up', async () => {
    const host = await openVmHost()
    const container = await started(host, 'while :; do sleep 0.05; done')
    const mark = randomBytes(6).toString('hex')
    const loop = `while :; do sleep 0.05; done; : ${mark}`
    // One that has lost its parent and one that has not.
    const argv = ['/bin/sh', '-c', `sh -c "sh -c '${loop}' &"; sh -c '${loop}'`]
    const session = await exec(host, container, { argv, stdout: false, stderr: false })
    await until('they run', () => processesNaming(`-c ${loop}`).length >= 2)
    expect(await session.kill(SIGKILL)).toBe(true)
    expect(await session.exited).toEqual({ kind: 'code', code: 137 })
    expect(processesNaming(mark)).toEqual([])
    const late = await execsOf(host.impl).execSync(container, { argv, timeoutMs: 1000 }, effect)
    expect(late).toMatchObject({ timedOut: true, exitCode: -1 })
    expect(processesNaming(mark)).toEqual([])
    await removed(host, container)
  })

  it('ends as unknown when the shim dies', async () => {
    const host = await openVmHost()
    const container = await started(host, 'sleep 1000')
    const session = await exec(host, container, { argv: ['/bin/sleep', '1000'] })
    const output = readAll(session.stdout)
    const shim = readIdentitySync(shimOf(container).pid)
    if (shim === undefined) throw new Error('there is no shim')
    killProcess(shim, SIGKILL)
    expect(await session.exited).toEqual({ kind: 'unknown', why: 'monitor-lost' })
    await output
    await host.impl.delete(container, { signal: noAbort })
    expect(tracesOf(host, container)).toEqual([])
  })
})

/** The next so many bytes. */
async function readText(stream: Readable, sizeBytes: number): Promise<string> {
  let text = ''
  while (text.length < sizeBytes) {
    const chunk: unknown = stream.read()
    if (Buffer.isBuffer(chunk)) text += chunk.toString()
    else await once(stream, 'readable')
  }
  return text
}
