import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { errorOf, listen, openExecHost, readAll, startIn } from './exec-host.ts'
import { effect, processesNaming, runtimeNames, until } from './oci-host.ts'

const SIGKILL = 9
const flood = `/bin/busybox head -c 3000000 /dev/zero`

describe.each(runtimeNames)('the end of a command with a terminal in a container of %s', (runtime) => {
  it('is not held up for ever by a client that never reads, who still has what was written last', async () => {
    const host = await openExecHost(runtime)
    // Far more than everything in between holds: it is stuck until somebody reads, and so is not at its end.
    const endless = '/bin/busybox head -c 300000000 /dev/zero'
    const script = `/bin/busybox stty raw; trap "printf last; exit 3" TERM; echo ready >&2; (${endless}); sleep 1000`
    const exec = await startIn(host, script)
    await until('it says something', () => (exec.stdout?.readableLength ?? 0) > 0)
    expect(await exec.kill(SIGKILL)).toBe(true)
    expect(await exec.exited).toEqual({ kind: 'code', code: 137 })
    const { length } = await readAll(exec.stdout)
    expect(length).toBeGreaterThan(6)
    expect(length).toBeLessThan(300_000_000)
    expect(host.leftovers()).toEqual([])
  })

  it('comes although nobody reads, when the command ends by itself', async () => {
    const host = await openExecHost(runtime)
    // What it writes fits into all that is on the way, but not into what the supervisor takes unread.
    const script = `/bin/busybox stty raw; /bin/busybox head -c 700000 /dev/zero; exit 4`
    const exec = await startIn(host, script, { drainMs: 500 })
    expect(await exec.exited).toEqual({ kind: 'code', code: 4 })
    expect((await readAll(exec.stdout)).length).toBe(700_000)
  })

  it('is slowed down by a slow reader, who loses nothing', async () => {
    const host = await openExecHost(runtime)
    const exec = await startIn(host, `/bin/busybox stty raw; ${flood}; exit 2`)
    let ended = false
    void exec.exited.then(() => (ended = true))
    await host.execs.execSync(host.container, { argv: ['/bin/sleep', '0.5'] }, effect)
    expect(ended).toBe(false)
    expect((await readAll(exec.stdout)).length).toBe(3_000_000)
    expect(await exec.exited).toEqual({ kind: 'code', code: 2 })
  })

  it('is not held up by what it leaves behind, be it quiet or writing on and on', async () => {
    const host = await openExecHost(runtime)
    const mark = randomBytes(6).toString('hex')
    const quiet = await startIn(host, `trap '' HUP; (sleep 1000; : ${mark}) & echo out; exit 1`)
    expect((await readAll(quiet.stdout)).toString()).toBe('out\r\n')
    expect(await quiet.exited).toEqual({ kind: 'code', code: 1 })
    expect(processesNaming(mark)).not.toEqual([])
    const loud = await startIn(host, `trap '' HUP; (while :; do echo on; done) & echo out; exit 5`, {
      drainMs: 100,
    })
    loud.stdout?.resume()
    expect(await loud.exited).toEqual({ kind: 'code', code: 5 })
    expect(host.leftovers()).toEqual([])
  })

  it('takes its children with it on KILL, and is the end of its streams', async () => {
    const host = await openExecHost(runtime)
    const mark = randomBytes(6).toString('hex')
    const exec = await startIn(
      host,
      `: ${mark}; (trap '' HUP; sleep 1000; : ${mark}) & echo ready; sleep 1000`,
      {
        stdin: true,
      },
    )
    const heard = listen(exec)
    await heard.until('ready')
    expect(await exec.kill(SIGKILL)).toBe(true)
    expect(await exec.exited).toEqual({ kind: 'code', code: 137 })
    await until('its output ends', () => exec.stdout?.readableEnded === true)
    expect(processesNaming(mark)).toEqual([])
    expect(await exec.kill(15)).toBe(false)
    expect(host.execs.sessions(host.container.id)).toEqual([])
  })

  it('comes when its client leaves, or not, as was asked', async () => {
    const host = await openExecHost(runtime)
    for (const onDisconnect of ['kill', 'leave'] as const) {
      const abort = new AbortController()
      const request = { argv: ['/bin/sh', '-c', `${flood}; exit 5`], tty: true, onDisconnect }
      const exec = await host.execs.startExec(host.container, request, { signal: abort.signal })
      await until('it says something', () => (exec.stdout?.readableLength ?? 0) > 0)
      abort.abort()
      expect(await exec.exited).toEqual({ kind: 'code', code: onDisconnect === 'kill' ? 137 : 5 })
    }
    expect(host.leftovers()).toEqual([])
  })

  it('comes with that of its container', async () => {
    const { execs, container, host, init } = await openExecHost(runtime)
    const exec = await execs.startExec(container, { argv: ['/bin/cat'], tty: true, stdin: true }, effect)
    await host.impl.signal(container, init, SIGKILL, effect)
    expect(await execs.endAll(container.id, 5000)).toBe(true)
    expect(await exec.exited).toEqual({ kind: 'code', code: 137 })
    expect(
      await errorOf(execs.startExec(container, { argv: ['/bin/cat'], tty: true }, effect)),
    ).toMatchObject({
      code: 'ERR_NOT_RUNNING',
    })
  })

  it('is known although the helper that carries its streams dies, which is an error of its output', async () => {
    const host = await openExecHost(runtime)
    const exec = await startIn(host, 'echo ready; sleep 0.3; exit 6')
    await listen(exec).until('ready')
    const lost = new Promise((resolve) => exec.stdout?.once('error', resolve))
    process.kill(host.helperPid() ?? 0, 'SIGKILL')
    expect(await lost).toMatchObject({ code: 'ERR_LAUNCHER_LOST' })
    expect(await exec.exited).toEqual({ kind: 'code', code: 6 })
  })
})
