import { randomBytes } from 'node:crypto'
import { BehaviorSubject, Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { ExecRequest } from '../../src/impl/exec-port.ts'
import type { TerminalSize } from '../../src/impl/terminal-size.ts'
import { errorOf, listen, openExecHost, readAll, sha256, sha256Of, startIn } from './exec-host.ts'
import { effect, runtimeNames, until } from './oci-host.ts'

const MiB = 1024 * 1024
const SIGKILL = 9

describe.each(runtimeNames)('a command with a terminal in a container of %s', (runtime) => {
  it('has one, and all of its output from the first to the last byte', async () => {
    const host = await openExecHost(runtime)
    for (let round = 0; round < 20; round += 1) {
      const exec = await startIn(
        host,
        'test -t 0 && test -t 1 && test -t 2 && echo hi; echo last >&2; exit 7',
      )
      expect((await readAll(exec.stdout)).toString()).toBe('hi\r\nlast\r\n')
      expect(await exec.exited).toEqual({ kind: 'code', code: 7 })
      expect(exec.stderr).toBeUndefined()
    }
    expect(host.leftovers()).toEqual([])
  })

  it('passes bytes of every number through unchanged, in both directions, when the terminal is raw', async () => {
    const host = await openExecHost(runtime)
    for (const sizeBytes of [0, 1, 8191, 8192, 8193, 20 * 1024, 10 * MiB]) {
      const bytes = randomBytes(sizeBytes)
      const script = `/bin/busybox stty raw -echo; echo ready; exec /bin/busybox head -c ${sizeBytes}`
      const exec = await startIn(host, script, { stdin: true })
      await new Promise((resolve) => exec.stdout?.once('readable', resolve))
      expect(String(exec.stdout?.read(6))).toBe('ready\n')
      exec.stdin?.write(bytes)
      expect(await sha256(exec.stdout)).toEqual({ sizeBytes, hash: sha256Of(bytes) })
      expect(await exec.exited).toEqual({ kind: 'code', code: 0 })
    }
    expect(host.leftovers()).toEqual([])
  })

  it('does not stop over an input that is longer than a terminal holds, while it answers tenfold', async () => {
    const host = await openExecHost(runtime)
    const tenfold = `/bin/busybox stty -echo -onlcr; echo ready; /bin/busybox awk '{for(i=0;i<10;i++) print}'`
    const exec = await startIn(host, tenfold, { stdin: true })
    const heard = listen(exec)
    await heard.until('ready')
    exec.stdin?.write(`${'x'.repeat(79)}\n`.repeat(2000))
    // Ended, and that is no end for a terminal: ^D is.
    exec.stdin?.end('\x04')
    expect(await exec.exited).toEqual({ kind: 'code', code: 0 })
    await until('all is there', () => heard.said.length >= 'ready\n'.length + 1_600_000)
  })

  it('is not told that stdin has ended: it sees an end at ^D', async () => {
    const host = await openExecHost(runtime)
    const exec = await startIn(host, 'echo ready; read line; echo "got $line"; cat; echo over', {
      stdin: true,
    })
    const heard = listen(exec)
    await heard.until('ready')
    exec.stdin?.write('typed\n')
    await heard.until('got typed')
    exec.stdin?.write('\x04')
    await heard.until('over')
    expect(await exec.exited).toEqual({ kind: 'code', code: 0 })
    const deaf = await startIn(host, 'trap "echo alive" USR1; echo ready; while :; do read line; done', {
      stdin: true,
    })
    const deafHeard = listen(deaf)
    await deafHeard.until('ready')
    deaf.stdin?.end('a line\n')
    await deafHeard.until('a line')
    await deaf.kill(10)
    await deafHeard.until('alive')
    await deaf.kill(SIGKILL)
    await deaf.exited
  })

  it('is refused with the field that is wrong, and leaves nothing', async () => {
    const { execs, container, leftovers } = await openExecHost(runtime)
    const refusals: [Partial<ExecRequest>, string][] = [
      [{ size: { width: -1, height: 24 } }, 'size.width'],
      [{ size: { width: 80, height: 65_536 } }, 'size.height'],
      [{ argv: [] }, 'command'],
      [{ argv: ['/bin/echo', 'a\0b'] }, 'command.1'],
      [{ env: { A: '\0' } }, 'env.A'],
      [{ user: 'nobody-here' }, 'user'],
      [{ cwd: '/missing' }, 'cwd'],
      [{ drainMs: Number.NaN }, 'drainMs'],
    ]
    for (const [wrong, field] of refusals) {
      const request = { argv: ['/bin/true'], tty: true, ...wrong }
      expect(await errorOf(execs.startExec(container, request, effect))).toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        field,
        containerId: container.id,
      })
    }
    const missing = await errorOf(execs.startExec(container, { argv: ['/nope'], tty: true }, effect))
    expect(missing).toMatchObject({ code: 'ERR_COMMAND_NOT_FOUND' })
    const exec = await execs.startExec(container, { argv: ['/bin/cat'], tty: true }, effect)
    for (const size of [
      { width: -1, height: 1 },
      { width: 1, height: 0.5 },
    ])
      expect(await errorOf(exec.resize(size))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    await exec.kill(SIGKILL)
    await exec.exited
    expect(await errorOf(exec.resize({ width: 1, height: 1 }))).toMatchObject({ code: 'ERR_NOT_RUNNING' })
    expect(leftovers()).toEqual([])
  })
})

describe.each(runtimeNames)('the size of the terminal of a command in a container of %s', (runtime) => {
  // crun sets it while the command begins already, so on a busy host that may be a moment after the first look.
  const first =
    runtime === 'crun' ? 'until /bin/busybox stty size 2>/dev/null; do :; done' : '/bin/busybox stty size'
  const report = 'while read line; do echo "size $(/bin/busybox stty size)"; done'

  it('is the given one from the start, and the one that is set later', async () => {
    const host = await openExecHost(runtime)
    for (let round = 0; round < 5; round += 1) {
      const exec = await startIn(host, `${first}; ${report}`, {
        stdin: true,
        size: { width: 100 + round, height: 40 },
      })
      const heard = listen(exec)
      await heard.until(`40 ${100 + round}\r\n`)
      await exec.resize({ width: 60, height: 20 + round })
      exec.stdin?.write('\n')
      await heard.until(`size ${20 + round} 60\r\n`)
      await exec.kill(SIGKILL)
      expect(await exec.exited).toEqual({ kind: 'code', code: 137 })
    }
  })

  it('is the last one that a source has at once, instead of the given one, and follows the source', async () => {
    const host = await openExecHost(runtime)
    const resize$ = new BehaviorSubject<TerminalSize>({ width: 33, height: 11 })
    const exec = await startIn(host, `${first}; ${report}`, {
      stdin: true,
      size: { width: 1, height: 1 },
      resize$,
    })
    const heard = listen(exec)
    await heard.until('11 33\r\n')
    resize$.next({ width: 0.5, height: 1 })
    resize$.next({ width: 44, height: 22 })
    await until('it has that size', () => {
      exec.stdin?.write('\n')
      return heard.said.includes('size 22 44')
    })
    expect(resize$.observed).toBe(true)
    await exec.kill(SIGKILL)
    await exec.exited
    expect(resize$.observed).toBe(false)
  })

  it('is the last of a thousand that came fast', async () => {
    const host = await openExecHost(runtime)
    const resize$ = new Subject<TerminalSize>()
    const exec = await startIn(host, `echo ready; ${report}`, { stdin: true, resize$ })
    const heard = listen(exec)
    await heard.until('ready')
    for (let width = 1; width <= 1000; width += 1) resize$.next({ width, height: 50 })
    await exec.resize({ width: 777, height: 55 })
    exec.stdin?.write('\n')
    await heard.until('size 55 777\r\n')
    await exec.kill(SIGKILL)
    expect(await exec.exited).toEqual({ kind: 'code', code: 137 })
  })
})
