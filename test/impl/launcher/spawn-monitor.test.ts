import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  awaitStart,
  deferred,
  expectCreated,
  fakeMonitor,
  forkDaemon,
  isAlive,
  killAtEnd,
  readPid,
  rejection,
  scratchDir,
  testLauncher,
  waitFor,
} from './support.ts'
import { patience } from '../../support/patience.ts'

const noMove = async () => undefined

describe('the outcomes of a monitor', () => {
  it('is created with the pid of the container, and the monitor goes on', async () => {
    const launcher = await testLauncher()
    const dir = scratchDir()
    const command = fakeMonitor(dir, `${awaitStart}\n${forkDaemon}\necho '{"pid": 4242}' >&3`)
    const created = expectCreated(await launcher.spawnMonitor(command, noMove))
    expect(created).toEqual({ kind: 'created', containerPid: 4242 })
    expect(isAlive(killAtEnd(readPid(dir, 'daemon')))).toBe(true)
  })

  const outcomes = [
    {
      name: 'refused with the words of the runtime',
      script: `${awaitStart}\necho '{"pid": -1, "message": "no such thing\\\\n"}' >&3`,
      outcome: { kind: 'refused', message: 'no such thing\n' },
    },
    {
      name: 'exited when it fails before it forks',
      script: 'echo "[conmon:e]: bad path" >&2; exit 1',
      outcome: { kind: 'exited', exitCode: 1, signal: undefined, stderrTail: '[conmon:e]: bad path\n' },
    },
    {
      name: 'exited with what it said on either of its outputs',
      script: 'echo "bad arguments"; sleep 0.05; echo "usage" >&2; exit 1',
      outcome: { kind: 'exited', exitCode: 1, signal: undefined, stderrTail: 'bad arguments\nusage\n' },
    },
    {
      name: 'exited when it fails after the start byte',
      script: `${awaitStart}\necho late >&2; exit 7`,
      outcome: { kind: 'exited', exitCode: 7, signal: undefined, stderrTail: 'late\n' },
    },
    {
      name: 'exited when it fails while a stray child holds the sync pipe',
      script: `${awaitStart}\nsleep 3 4<&- 2>/dev/null &\nexit 7`,
      outcome: { kind: 'exited', exitCode: 7, signal: undefined, stderrTail: '' },
    },
    {
      name: 'exited when a signal kills it',
      script: `${awaitStart}\nkill -SEGV $$`,
      outcome: { kind: 'exited', exitCode: undefined, signal: 'SIGSEGV', stderrTail: '' },
    },
    {
      name: 'silent when the pipe ends without a word',
      script: `${awaitStart}\necho hm >&2`,
      outcome: { kind: 'silent', exitCode: 0, stderrTail: 'hm\n' },
    },
    {
      name: 'garbled when the answer is not JSON',
      script: `${awaitStart}\necho 'pid: 12' >&3`,
      outcome: { kind: 'garbled', text: 'pid: 12', stderrTail: '' },
    },
    {
      name: 'garbled when the answer is cut short',
      script: `${awaitStart}\nprintf '{"pid": 12' >&3`,
      outcome: { kind: 'garbled', text: '{"pid": 12', stderrTail: '' },
    },
    {
      name: 'garbled when the pid is that of the host’s init',
      script: `${awaitStart}\necho '{"pid": 1}' >&3`,
      outcome: { kind: 'garbled', text: '{"pid": 1}', stderrTail: '' },
    },
    {
      name: 'created when only the newline is missing',
      script: `${awaitStart}\nprintf '{"pid": 12}' >&3`,
      outcome: { kind: 'created', containerPid: 12 },
    },
  ]
  it.each(outcomes)('is $name', async ({ script, outcome }) => {
    const launcher = await testLauncher()
    const got = await launcher.spawnMonitor(fakeMonitor(scratchDir(), script), noMove)
    expect(got).toMatchObject(outcome)
  })

  it('is garbled, and bounded, when the answer never ends', async () => {
    const launcher = await testLauncher()
    const flood = fakeMonitor(scratchDir(), `${awaitStart}\nexec tr '\\0' x </dev/zero >&3`)
    let pid = 0
    const outcome = await launcher.spawnMonitor(flood, async (spawned) => {
      pid = spawned
    })
    expect(outcome).toMatchObject({ kind: 'garbled', text: 'x'.repeat(1024) })
    await waitFor('the monitor is dead', () => !isAlive(pid))
  })

  it('is not started when the binary is missing', async () => {
    const launcher = await testLauncher()
    const command = { ...fakeMonitor(scratchDir(), ''), argv: ['/no/conmon'] as const }
    const outcome = await launcher.spawnMonitor(command, noMove)
    expect(outcome).toEqual({ kind: 'notStarted', errno: 'ENOENT', path: '/no/conmon' })
  })

  it('is not started when there is no FIFO for it', async () => {
    const launcher = await testLauncher()
    const command = { ...fakeMonitor(scratchDir(), ''), syncFifo: '/no/fifo' }
    const outcome = await launcher.spawnMonitor(command, noMove)
    expect(outcome).toEqual({ kind: 'notStarted', errno: 'ENOENT', path: '/no/fifo', isFifo: true })
  })

  it('is timed out, and the spawned process dead, when no answer comes', async () => {
    const launcher = await testLauncher()
    const dir = scratchDir()
    const script = `${awaitStart}\necho thinking >&2\nexec sleep 600`
    let pid = 0
    const outcome = await launcher.spawnMonitor(
      { ...fakeMonitor(dir, script), timeoutMs: patience(5000) },
      async (spawned) => {
        pid = spawned
      },
    )
    expect(outcome).toEqual({ kind: 'timedOut', stderrTail: 'thinking\n' })
    expect(isAlive(pid)).toBe(false)
  })

  it('is timed out when the answer lacks although the process has forked', async () => {
    const launcher = await testLauncher()
    const dir = scratchDir()
    const command = { ...fakeMonitor(dir, `${awaitStart}\n${forkDaemon}`), timeoutMs: patience(5000) }
    const outcome = await launcher.spawnMonitor(command, noMove)
    expect(outcome.kind).toBe('timedOut')
    killAtEnd(readPid(dir, 'daemon'))
  })
})

describe('the start byte', () => {
  const marking = `${awaitStart}\n: >started\necho '{"pid": 4242}' >&3`

  it('is sent only after beforeStart, which gets the pid that waits', async () => {
    const launcher = await testLauncher()
    const dir = scratchDir()
    const outcome = await launcher.spawnMonitor(fakeMonitor(dir, marking), async (pid) => {
      expect(isAlive(pid)).toBe(true)
      await launcher.run({ argv: ['true'], env: { PATH: '/bin:/usr/bin' }, timeoutMs: 20_000 })
      expect(existsSync(join(dir, 'started'))).toBe(false)
    })
    expect(outcome.kind).toBe('created')
    expect(existsSync(join(dir, 'started'))).toBe(true)
  })

  it('is never sent when beforeStart fails: the monitor is killed and its error is ours', async () => {
    const launcher = await testLauncher()
    const dir = scratchDir()
    let pid = 0
    const reason = new Error('no such cgroup')
    const outcome = launcher.spawnMonitor(fakeMonitor(dir, marking), async (spawned) => {
      pid = spawned
      throw reason
    })
    await expect(outcome).rejects.toBe(reason)
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(join(dir, 'started'))).toBe(false)
  })

  it('is never sent after an abort, and the call ends when beforeStart has', async () => {
    const launcher = await testLauncher()
    const dir = scratchDir()
    const abort = new AbortController()
    const moving = deferred()
    const spawned = deferred<number>()
    let settled = false
    const outcome = launcher
      .spawnMonitor(
        fakeMonitor(dir, marking),
        (pid) => {
          spawned.resolve(pid)
          return moving.promise
        },
        abort.signal,
      )
      .finally(() => (settled = true))
    const failing = rejection(outcome)
    const pid = await spawned.promise
    abort.abort()
    await waitFor('the monitor is killed', () => !isAlive(pid))
    expect(settled).toBe(false)
    moving.resolve()
    expect(await failing).toMatchObject({ code: 'ERR_ABORTED' })
    expect(existsSync(join(dir, 'started'))).toBe(false)
  })

  it('gives way to the end of a monitor that died before it, also when beforeStart stumbles over that', async () => {
    const launcher = await testLauncher()
    const dying = fakeMonitor(scratchDir(), 'echo broken >&2; exit 1')
    const outcome = await launcher.spawnMonitor(dying, async (pid) => {
      await waitFor('the monitor is dead', () => !isAlive(pid))
      throw new Error('no such process')
    })
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 1, stderrTail: 'broken\n' })
  })

  it('once sent, leaves an abort to kill what has not forked', async () => {
    const launcher = await testLauncher()
    const dir = scratchDir()
    const abort = new AbortController()
    let pid = 0
    const outcome = launcher.spawnMonitor(
      fakeMonitor(dir, `${awaitStart}\n: >started\nexec sleep 600`),
      async (spawned) => {
        pid = spawned
      },
      abort.signal,
    )
    const failing = rejection(outcome)
    await waitFor('the monitor has started', () => existsSync(join(dir, 'started')))
    abort.abort()
    expect(await failing).toMatchObject({ code: 'ERR_ABORTED' })
    expect(isAlive(pid)).toBe(false)
  })
})
