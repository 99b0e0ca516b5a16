import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { ExecSyncError } from '../../src/impl/exec-port.ts'
import { errorOf, openExecHost, readAll, sh, sha256, sha256Of } from './exec-host.ts'
import { effect, processesNaming, runtimeNames, until } from './oci-host.ts'
import { patience } from '../support/patience.ts'

const MiB = 1024 * 1024

describe.each(runtimeNames)('a command in a container of %s', (runtime) => {
  it('has its exit code, stdout and stderr apart, byte for byte', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    const result = await execs.execSync(
      container,
      { argv: sh(`printf 'a\\000\\377\\r\\nb'; printf err >&2; echo x > /dev/stdout; exit 3`) },
      effect,
    )
    expect(result).toEqual({
      exitCode: 3,
      stdout: Buffer.from([97, 0, 255, 13, 10, 98, 120, 10]),
      stderr: Buffer.from('err'),
      timedOut: false,
      truncated: false,
      drained: true,
    })
    expect(leftovers()).toEqual([])
  })

  it.each([
    ['exit 1', 1],
    ['exit 255', 255],
    ['kill -9 $$', 137],
    ['kill -15 $$', 143],
  ])('that ends by "%s" has exit code %i', async (script, exitCode) => {
    const { execs, container } = await openExecHost(runtime)
    expect(await execs.execSync(container, { argv: sh(script) }, effect)).toMatchObject({ exitCode })
  })

  it('is refused before anything is touched when it cannot be a command', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    const refusals: [Parameters<typeof execs.execSync>[1], string][] = [
      [{ argv: [] }, 'command'],
      [{ argv: [''] }, 'command'],
      [{ argv: ['/bin/echo', 'a\0b'] }, 'command.1'],
      [{ argv: ['/bin/true'], cwd: 'relative' }, 'cwd'],
      [{ argv: ['/bin/true'], env: { 'A=B': '' } }, 'env'],
      [{ argv: ['/bin/true'], env: { A: 'a\0b' } }, 'env.A'],
      [{ argv: ['/bin/true'], user: 'nobody-here' }, 'user'],
      [{ argv: ['/bin/true'], user: '4294967295' }, 'user'],
      [{ argv: ['/bin/true'], timeoutMs: 0 }, 'timeoutMs'],
    ]
    for (const [request, field] of refusals)
      expect(await errorOf(execs.execSync(container, request, effect))).toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        field,
      })
    expect(leftovers()).toEqual([])
  })

  it("that cannot be run is an error with the runtime's words, and leaves nothing", async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    const failures: [string[], string][] = [
      [['/nope'], 'ERR_COMMAND_NOT_FOUND'],
      [['nope'], 'ERR_COMMAND_NOT_FOUND'],
      [['/proc'], 'ERR_COMMAND_NOT_EXECUTABLE'],
    ]
    for (const [argv, code] of failures) {
      const error = await errorOf(execs.execSync(container, { argv }, effect))
      expect(error).toBeInstanceOf(ExecSyncError)
      expect(error).toMatchObject({ code, containerId: container.id, exitCode: -1 })
      expect(error.message).not.toMatch(/level=|"msg"/)
      expect(await errorOf(execs.startExec(container, { argv }, effect))).toMatchObject({ code })
    }
    for (const cwd of ['/missing', '/bin/busybox']) {
      const request = { argv: ['/bin/true'], cwd }
      const wrong = { code: 'ERR_INVALID_ARGUMENT', field: 'cwd', containerId: container.id }
      const error = await errorOf(execs.execSync(container, request, effect))
      expect(error).toMatchObject(wrong)
      expect(error.message).toContain(cwd)
      expect(await errorOf(execs.startExec(container, request, effect))).toMatchObject(wrong)
    }
    expect(execs.sessions(container.id)).toEqual([])
    expect(leftovers()).toEqual([])
  })

  it('is refused when the container is not running', async () => {
    const { execs, container, host, init, leftovers } = await openExecHost(runtime)
    const exit = host.exit(container)
    await host.impl.signal(container, init, 9, effect)
    await exit
    expect(await errorOf(execs.execSync(container, { argv: ['/bin/true'] }, effect))).toMatchObject({
      code: 'ERR_NOT_RUNNING',
    })
    expect(leftovers()).toEqual([])
  })

  it('takes an argument of 100 kB', async () => {
    const { execs, container } = await openExecHost(runtime)
    const text = 'x'.repeat(100_000)
    const { stdout } = await execs.execSync(container, { argv: ['/bin/echo', text] }, effect)
    expect(stdout.toString()).toBe(`${text}\n`)
  })

  it("runs with the environment, directory, user and groups that it is given, on top of the container's", async () => {
    const { execs, container } = await openExecHost(runtime, {
      change: (spec) => spec.process?.env?.push('OWN=1', 'BOTH=1'),
    })
    const etc = `${container.bundlePath}/rootfs/etc`
    mkdirSync(etc, { recursive: true })
    writeFileSync(`${etc}/passwd`, 'alice:x:1000:1001::/:/bin/sh\n')
    writeFileSync(`${etc}/group`, 'staff:x:50:alice\naudio:x:29:\n')
    const config = readFileSync(`${container.bundlePath}/config.json`, 'utf8')
    const script =
      'echo $OWN $BOTH $MORE; /bin/busybox pwd; /bin/busybox grep -E "^(Uid|Gid|Groups|CapInh):" /proc/self/status'
    const run = async (more: object): Promise<string[]> => {
      const { stdout } = await execs.execSync(container, { argv: sh(script), ...more }, effect)
      return stdout
        .toString()
        .trim()
        .split('\n')
        .map((line) => line.replaceAll(/\s+/g, ' ').trim())
    }
    const inherits = 'CapInh: 0000000000000000'
    expect(await run({ env: { BOTH: '2', MORE: '3' }, cwd: '/proc' })).toEqual([
      '1 2 3',
      '/proc',
      'Uid: 0 0 0 0',
      'Gid: 0 0 0 0',
      'Groups:',
      inherits,
    ])
    expect(await run({ user: 'alice', additionalGids: [7] })).toEqual([
      '1 1',
      '/',
      'Uid: 1000 1000 1000 1000',
      'Gid: 1001 1001 1001 1001',
      'Groups: 7 50',
      inherits,
    ])
    expect(await run({ user: '1234:audio' })).toContain('Gid: 29 29 29 29')
    expect(await run({ user: { uid: 5, gid: 6, additionalGids: [8] } })).toContain('Groups: 8')
    expect(readFileSync(`${container.bundlePath}/config.json`, 'utf8')).toBe(config)
  })

  it('that runs too long ends with everything it started, and the result says so', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    const mark = randomBytes(6).toString('hex')
    const sleep = `/bin/sleep 1000`
    const script = `: ${mark}; echo begun; (${sleep}; : ${mark}) & (${sleep}; : ${mark}) & while :; do ${sleep}; done`
    const result = await execs.execSync(container, { argv: sh(script), timeoutMs: patience(2000) }, effect)
    expect(result).toEqual({
      exitCode: -1,
      stdout: Buffer.from('begun\n'),
      stderr: Buffer.from('command timed out'),
      timedOut: true,
      truncated: false,
      drained: true,
    })
    expect(processesNaming(mark)).toEqual([])
    const rest = await execs.execSync(container, { argv: ['/bin/ps', '-o', 'args'] }, effect)
    expect(rest.stdout.toString().match(/sleep 1000/g)).toHaveLength(1)
    expect(leftovers()).toEqual([])
  })

  it('has one time limit from the call on, for its start and its run together', async () => {
    const { execs, container } = await openExecHost(runtime)
    const timers = vi.spyOn(globalThis, 'setTimeout')
    await execs.execSync(container, { argv: ['/bin/true'], timeoutMs: 654_321 }, effect)
    const limits = timers.mock.calls.filter(([, limitMs]) => limitMs === 654_321)
    timers.mockRestore()
    expect(limits).toHaveLength(1)
  })

  it('ends at its time limit together with daemons that had left its tree, whatever their environment', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    const mark = randomBytes(6).toString('hex')
    const daemon = `/bin/busybox env -i /bin/busybox setsid sh -c 'while :; do sleep 0.05; done; : ${mark}' >/dev/null 2>&1 &`
    const script = `for i in 1 2 3 4 5 6; do /bin/busybox sh -c "${daemon}"; done; echo begun; sleep 1000`
    const result = await execs.execSync(container, { argv: sh(script), timeoutMs: patience(2000) }, effect)
    expect(result).toMatchObject({ timedOut: true, stdout: Buffer.from('begun\n') })
    expect(processesNaming(`: ${mark}`)).toEqual([])
    expect(leftovers()).toEqual([])
  })

  it('ends with its children at a time limit that strikes before it runs', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    for (const timeoutMs of [1, 5, 10, 20, 40]) {
      const mark = randomBytes(6).toString('hex')
      const result = await execs.execSync(container, { argv: sh(`sleep 1000; : ${mark}`), timeoutMs }, effect)
      expect(result).toMatchObject({ exitCode: -1, timedOut: true })
      await until('nothing of it is left', () => processesNaming(mark).length === 0)
    }
    expect(leftovers()).toEqual([])
  })

  it('ends when the caller gives up', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    const mark = randomBytes(6).toString('hex')
    const abort = new AbortController()
    const result = execs.execSync(container, { argv: sh(`sleep 1000; : ${mark}`) }, { signal: abort.signal })
    await until('it runs', () => processesNaming(`: ${mark}`).some((line) => line.includes('/bin/sh')))
    abort.abort()
    expect(await errorOf(result)).toMatchObject({ code: 'ERR_ABORTED' })
    expect(processesNaming(mark)).toEqual([])
    expect(leftovers()).toEqual([])
  })

  it('that leaves a child with its output open does not hold up the result', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    const result = await execs.execSync(
      container,
      { argv: sh('sleep 1000 & echo done; exit 4'), drainMs: 200 },
      effect,
    )
    expect(result).toMatchObject({ exitCode: 4, stdout: Buffer.from('done\n'), drained: false })
    expect(leftovers()).toEqual([])
  })

  it('keeps so much of its output and reads the rest', async () => {
    const { execs, container } = await openExecHost(runtime)
    const script = 'head -c 3000000 /dev/zero; printf x >&2; exit 6'
    const result = await execs.execSync(
      container,
      { argv: sh(`/bin/busybox ${script}`), outputMaxBytes: MiB },
      effect,
    )
    expect(result).toMatchObject({ exitCode: 6, truncated: true, drained: true, stderr: Buffer.from('x') })
    expect(result.stdout.equals(Buffer.alloc(MiB))).toBe(true)
    const whole = await execs.execSync(container, { argv: sh('printf 12345'), outputMaxBytes: 5 }, effect)
    expect(whole).toMatchObject({ truncated: false, stdout: Buffer.from('12345') })
  })

  it('passes streams of every size through unchanged, both outputs', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    for (const sizeBytes of [0, 1, 8191, 8192, 8193, 20 * 1024, 10 * MiB]) {
      const bytes = randomBytes(sizeBytes)
      const exec = await execs.startExec(
        container,
        { argv: sh('cat > /tmp-$$; cat /tmp-$$; cat /tmp-$$ >&2; /bin/busybox rm /tmp-$$'), stdin: true },
        effect,
      )
      exec.stdin?.end(bytes)
      const expected = { sizeBytes, hash: sha256Of(bytes) }
      expect(await Promise.all([sha256(exec.stdout), sha256(exec.stderr)])).toEqual([expected, expected])
      expect(await exec.exited).toEqual({ kind: 'code', code: 0 })
    }
    expect(leftovers()).toEqual([])
  })

  it('waits for a slow reader and loses nothing', async () => {
    const { execs, container } = await openExecHost(runtime)
    const exec = await execs.startExec(
      container,
      { argv: sh('/bin/busybox head -c 2000000 /dev/zero; exit 2') },
      effect,
    )
    // Far more than pipe and buffers hold: it cannot end before somebody reads.
    let ended = false
    void exec.exited.then(() => (ended = true))
    await execs.execSync(container, { argv: sh('sleep 0.5') }, effect)
    expect(ended).toBe(false)
    const hash = createHash('sha256').update(Buffer.alloc(2_000_000)).digest('hex')
    expect(await sha256(exec.stdout)).toEqual({ sizeBytes: 2_000_000, hash })
    expect(await exec.exited).toEqual({ kind: 'code', code: 2 })
  })

  it('is a conversation: it answers while stdin is open, and sees its end', async () => {
    const { execs, container } = await openExecHost(runtime)
    const exec = await execs.startExec(container, { argv: ['/bin/cat'], stdin: true }, effect)
    const answer = new Promise((resolve) =>
      exec.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString())),
    )
    exec.stdin?.write('hello')
    expect(await answer).toBe('hello')
    expect(execs.sessions(container.id)).toEqual([exec])
    exec.stdin?.end()
    expect(await exec.exited).toEqual({ kind: 'code', code: 0 })
    expect(execs.sessions(container.id)).toEqual([])
  })

  it('has a pid that can be signalled, and ends with its children on KILL', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    const mark = randomBytes(6).toString('hex')
    const exec = await execs.startExec(
      container,
      {
        argv: sh(
          `: ${mark}; trap 'echo usr' USR1; echo ready; (sleep 1000; : ${mark}) & while :; do sleep 0.05; done`,
        ),
      },
      effect,
    )
    let said = ''
    exec.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await until('it is ready', () => said.includes('ready'))
    expect(processesNaming(mark).some((line) => line.startsWith(`${exec.pid} `))).toBe(true)
    expect(await exec.kill(10)).toBe(true)
    await until('it has the signal', () => said.includes('usr'))
    expect(await exec.kill(9)).toBe(true)
    expect(await exec.exited).toEqual({ kind: 'code', code: 137 })
    expect(processesNaming(mark)).toEqual([])
    expect(await exec.kill(15)).toBe(false)
    expect(leftovers()).toEqual([])
  })

  it('has an end of its streams although a child keeps them open', async () => {
    const { execs, container } = await openExecHost(runtime)
    const exec = await execs.startExec(
      container,
      { argv: sh('sleep 1000 & echo out; exit 1'), drainMs: 100 },
      effect,
    )
    expect((await readAll(exec.stdout)).toString()).toBe('out\n')
    expect(await exec.exited).toEqual({ kind: 'code', code: 1 })
  })

  it('ends when its client leaves, or goes on, as was asked', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    const marks = { kill: randomBytes(6).toString('hex'), leave: randomBytes(6).toString('hex') }
    for (const onDisconnect of ['kill', 'leave'] as const) {
      const abort = new AbortController()
      const mark = marks[onDisconnect]
      const argv = sh(`: ${mark}; i=0; while [ $i -lt 30000 ]; do echo 0123456789; i=$((i+1)); done; exit 5`)
      const exec = await execs.startExec(container, { argv, onDisconnect }, { signal: abort.signal })
      abort.abort()
      expect(await exec.exited).toEqual({ kind: 'code', code: onDisconnect === 'kill' ? 137 : 5 })
    }
    expect(leftovers()).toEqual([])
  })

  it('has an exit when its container is killed', async () => {
    const { execs, container, host, init } = await openExecHost(runtime)
    const mark = randomBytes(6).toString('hex')
    const exec = await execs.startExec(container, { argv: ['/bin/sleep', '1000'] }, effect)
    const sync = execs.execSync(container, { argv: sh(`sleep 1000; : ${mark}`) }, effect)
    await until('both run', () => processesNaming(mark).some((line) => line.includes('/bin/sh')))
    await host.impl.signal(container, init, 9, effect)
    expect(await execs.endAll(container.id, 5000)).toBe(true)
    expect(await exec.exited).toEqual({ kind: 'code', code: 137 })
    expect(await sync).toMatchObject({ exitCode: 137 })
  })

  it('has its exit although the launcher dies meanwhile', async () => {
    const { execs, container, launcher, leftovers } = await openExecHost(runtime)
    const exec = await execs.startExec(container, { argv: sh('cat; exit 9'), stdin: true }, effect)
    const { pid } = launcher
    process.kill(pid ?? 0, 'SIGKILL')
    await until('another launcher could be had', () => launcher.pid !== pid)
    exec.stdin?.end('after')
    expect((await readAll(exec.stdout)).toString()).toBe('after')
    expect(await exec.exited).toEqual({ kind: 'code', code: 9 })
    expect(leftovers()).toEqual([])
  })
})
