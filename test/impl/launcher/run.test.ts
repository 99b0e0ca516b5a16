import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Command } from '../../../src/impl/launcher/launcher.ts'
import { env, isAlive, killAtEnd, readPid, scratchDir, testLauncher, waitFor } from './support.ts'
import { patience } from '../../support/patience.ts'

function sh(script: string, rest: Partial<Command> = {}): Command {
  return { argv: ['sh', '-c', script], env, timeoutMs: 20_000, ...rest }
}

describe('run', () => {
  it('tells exit code, output and the end of stderr', async () => {
    const launcher = await testLauncher()
    const result = await launcher.run(sh('echo out; echo err >&2; exit 3'))
    expect(result).toEqual({
      exitCode: 3,
      signal: undefined,
      timedOut: false,
      stdout: 'out\n',
      stdoutTruncated: false,
      stderrTail: 'err\n',
      notStarted: undefined,
    })
  })

  it('tells the signal that ended a command', async () => {
    const launcher = await testLauncher()
    const result = await launcher.run(sh('kill -TERM $$'))
    expect(result).toMatchObject({ exitCode: undefined, signal: 'SIGTERM', timedOut: false })
  })

  it('gives the command exactly the environment that was listed', async () => {
    const launcher = await testLauncher()
    const { stdout } = await launcher.run({
      argv: ['/usr/bin/env'],
      env: { ONLY: 'this' },
      timeoutMs: 20_000,
    })
    expect(stdout).toBe('ONLY=this\n')
  })

  it('runs in the given directory, and in / by default', async () => {
    const launcher = await testLauncher()
    const cwd = scratchDir()
    expect((await launcher.run(sh('pwd -P', { cwd }))).stdout.trim()).toBe(cwd)
    expect((await launcher.run(sh('pwd -P'))).stdout.trim()).toBe('/')
  })

  it('passes arguments through unchanged, whatever a shell would make of them', async () => {
    const launcher = await testLauncher()
    const argument = 'a+b $(id) "\'\n* ünï'
    const { stdout } = await launcher.run({ argv: ['printf', '%s', argument], env, timeoutMs: 20_000 })
    expect(stdout).toBe(argument)
  })

  it.each([
    { name: 'a missing program', argv: ['/no/such/program'], errno: 'ENOENT', path: '/no/such/program' },
    { name: 'a program that is not executable', argv: ['/etc/passwd'], errno: 'EACCES', path: '/etc/passwd' },
    {
      name: 'a missing directory',
      argv: ['true'],
      cwd: '/no/such/dir',
      errno: 'ENOENT',
      path: '/no/such/dir',
    },
  ] as const)('names $name', async ({ argv, errno, path, ...rest }) => {
    const launcher = await testLauncher()
    const result = await launcher.run({ argv, env, timeoutMs: 20_000, ...rest })
    expect(result.notStarted).toEqual({ errno, path })
    expect(result.exitCode).toBeUndefined()
  })

  it('names an argument list that is too long for the kernel', async () => {
    const launcher = await testLauncher()
    const argv = ['true', 'x'.repeat(200_000)] as const
    const result = await launcher.run({ argv, env, timeoutMs: 20_000 })
    expect(result.notStarted).toEqual({ errno: 'E2BIG', path: 'true' })
  })

  it('does not hang on a command that fills both pipes, and keeps a bounded part', async () => {
    const launcher = await testLauncher()
    const flood = 'yes stdout | head -c 3000000; yes stderr | head -c 3000000 >&2; printf end >&2'
    const result = await launcher.run(sh(flood, { stdoutMaxBytes: 1000 }))
    expect(result).toMatchObject({ exitCode: 0, stdoutTruncated: true })
    expect(result.stdout).toHaveLength(1000)
    expect(Buffer.byteLength(result.stderrTail)).toBe(8192)
    expect(result.stderrTail.endsWith('end')).toBe(true)
  })

  it('kills a command whose time is up, together with its process group', async () => {
    const launcher = await testLauncher()
    const dir = scratchDir()
    const result = await launcher.run(
      sh('sleep 600 & echo $! >pid; wait', { cwd: dir, timeoutMs: patience(5000) }),
    )
    expect(result).toMatchObject({ timedOut: true, signal: 'SIGKILL', exitCode: undefined })
    const pid = readPid(dir, 'pid')
    await waitFor('the child of the command is dead', () => !isAlive(pid))
  })

  it('does not wait for a background child that keeps stdout open', async () => {
    const launcher = await testLauncher()
    const dir = scratchDir()
    const result = await launcher.run(sh('sleep 600 & echo $! >pid; echo done', { cwd: dir }))
    expect(result).toMatchObject({ exitCode: 0, stdout: 'done\n', timedOut: false })
    expect(isAlive(killAtEnd(readPid(dir, 'pid')))).toBe(true)
  })

  it('kills the command when it is aborted and rejects only when it is dead', async () => {
    const launcher = await testLauncher()
    const dir = scratchDir()
    const abort = new AbortController()
    const result = launcher.run(
      sh('echo $$ >pid.new; mv pid.new pid; exec sleep 600', { cwd: dir }),
      abort.signal,
    )
    await waitFor('the command runs', () => {
      try {
        return readPid(dir, 'pid') > 0
      } catch {
        return false
      }
    })
    abort.abort('enough')
    await expect(result).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' })
    expect(isAlive(readPid(dir, 'pid'))).toBe(false)
  })

  it('rejects at once when the signal is aborted already', async () => {
    const launcher = await testLauncher()
    await expect(launcher.run(sh('true'), AbortSignal.abort())).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })

  it.each([
    { name: 'a NUL byte in an argument', command: { argv: ['a', 'b\0c'] as const }, field: 'argv[1]' },
    { name: 'a NUL byte in a variable', command: { env: { A: '\0' } }, field: 'env.A' },
    { name: 'an equals sign in a name', command: { env: { 'A=B': 'c' } }, field: 'env' },
    { name: 'no time at all', command: { timeoutMs: 0 }, field: 'timeoutMs' },
  ])('refuses $name', async ({ command, field }) => {
    const launcher = await testLauncher()
    const wrong = launcher.run(sh('true', command))
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field })
  })

  it('takes a limit that no timer can hold as no limit', async () => {
    const launcher = await testLauncher()
    const result = await launcher.run(sh('echo ok', { timeoutMs: Number.POSITIVE_INFINITY }))
    expect(result).toMatchObject({ timedOut: false, stdout: 'ok\n' })
  })

  it('runs at most inFlightMax commands at once, the others in order', async () => {
    const launcher = await testLauncher({ inFlightMax: 2 })
    const dir = scratchDir()
    writeFileSync(join(dir, 'order'), '')
    const script =
      'echo start >>order; ls running.* 2>/dev/null | wc -l; : >running.$$; sleep 0.05; rm running.$$'
    const results = await Promise.all(Array.from({ length: 8 }, () => launcher.run(sh(script, { cwd: dir }))))
    const others = results.map(({ stdout }) => Number(stdout))
    expect(others).toHaveLength(8)
    expect(Math.max(...others)).toBeLessThanOrEqual(1)
  })

  it('starts waiting commands in the order in which they were asked for', async () => {
    const launcher = await testLauncher({ inFlightMax: 1 })
    const dir = scratchDir()
    const numbers = [1, 2, 3, 4, 5, 6]
    await Promise.all(numbers.map((number) => launcher.run(sh(`echo ${number} >>order`, { cwd: dir }))))
    const { stdout } = await launcher.run(sh('cat order', { cwd: dir }))
    expect(stdout.trim().split('\n').map(Number)).toEqual(numbers)
  })

  it('lets a waiting command be aborted without a slot', async () => {
    const launcher = await testLauncher({ inFlightMax: 1 })
    const first = new AbortController()
    const blocking = launcher.run(sh('exec sleep 600'), first.signal)
    const abort = new AbortController()
    const waiting = launcher.run(sh('true'), abort.signal)
    abort.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    first.abort()
    await expect(blocking).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })

  it('leaves no zombie behind', async () => {
    const launcher = await testLauncher()
    await Promise.all(Array.from({ length: 20 }, () => launcher.run(sh('exit 1'))))
    const { stdout } = await launcher.run({
      argv: ['ps', '--ppid', String(launcher.pid), '-o', 'stat='],
      env,
      timeoutMs: 20_000,
    })
    expect(stdout).not.toContain('Z')
  })
})
