/** Commands in a running container: to their end, or with streams of one's own. */
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { ExecSyncError, type Container, type ContainerPhase, type ExecProcess } from '../../src/index.ts'
import { ignoresTerm } from './harness.ts'
import { codeOf, patience, type Stage } from './stage.ts'

const sleeps = ['/bin/sleep', '1000']
const exited = (code: number): unknown => ({ kind: 'code', code })

export function describeExecs(stage: Stage): void {
  describe('and a command in it that', () => {
    it('comes to its code and to what it said, stdout and stderr apart', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const script = 'echo "out $A"; echo err >&2; exit 3'
      const argv = ['/bin/sh', '-c', script]
      expect(await stage.runtime.execSyncContainer(container, argv, 60, { env: { A: 'and' } })).toEqual({
        exitCode: 3,
        stdout: Buffer.from('out and\n'),
        stderr: Buffer.from('err\n'),
        timedOut: false,
        truncated: false,
        drained: true,
      })
      expect(await stage.runtime.execSyncContainer(container, argv, 60, { outputMaxBytes: 2 })).toMatchObject(
        {
          stdout: Buffer.from('ou'),
          truncated: true,
        },
      )
      await stage.runtime.deleteContainer(container)
    })

    it('is killed when its time is up, or nobody waits any more', async () => {
      const container = await stage.started({ args: ignoresTerm })
      expect(await stage.runtime.execSyncContainer(container, sleeps, 0.5)).toMatchObject({
        exitCode: -1,
        stderr: Buffer.from('command timed out'),
        timedOut: true,
      })
      const abort = new AbortController()
      const result = codeOf(stage.runtime.execSyncContainer(container, sleeps, 0, { signal: abort.signal }))
      abort.abort()
      expect(await result).toBe('ERR_ABORTED')
      expect(container.status).toBe('running')
      await stage.runtime.deleteContainer(container)
    })

    it('is not waited for by a caller who has given up, whether it runs already or not', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const { runtime } = stage
      const verbs = [
        (signal: AbortSignal) => runtime.startExec(container, sleeps, { signal }),
        (signal: AbortSignal) => runtime.startExec(container, sleeps, { signal, onDisconnect: 'leave' }),
        (signal: AbortSignal) => runtime.execContainer(container, sleeps, { signal }),
        (signal: AbortSignal) => runtime.execSyncContainer(container, sleeps, 0, { signal }),
      ]
      for (const verb of verbs) {
        const abort = new AbortController()
        const code = codeOf(verb(abort.signal))
        abort.abort()
        expect(await code).toBe('ERR_ABORTED')
      }
      const abort = new AbortController()
      const code = codeOf(runtime.execContainer(container, sleeps, { signal: abort.signal }))
      await expect.poll(() => container.execs.map(({ phase }) => phase), patience).toContain('running')
      abort.abort()
      expect(await code).toBe('ERR_ABORTED')
      await runtime.deleteContainer(container)
      expect(container.execs).toEqual([])
    })

    it('is not found where there is none of that name', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const argv = ['/no/such/command']
      const error: unknown = await stage.runtime
        .execSyncContainer(container, argv, 60)
        .catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(ExecSyncError)
      expect(error).toMatchObject({ code: 'ERR_COMMAND_NOT_FOUND', containerId: container.id, exitCode: -1 })
      expect(await codeOf(stage.runtime.startExec(container, argv))).toBe('ERR_COMMAND_NOT_FOUND')
      expect(container.execs).toEqual([])
      await stage.runtime.deleteContainer(container)
    })

    it('may be run in the grace of a stop, and is refused once killing has begun', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const attempt = () => stage.runtime.execSyncContainer(container, ['/bin/true'], 60)
      const patient = stage.runtime.stopContainer(container, 600)
      await expect.poll(() => container.phase, patience).toBe('stopping.grace')
      expect(await attempt()).toMatchObject({ exitCode: 0 })
      const killing = whenIn(stage, container, 'stopping.killing')
      const stop = stage.runtime.stopContainer(container, 0)
      await killing
      expect(await codeOf(attempt())).toBe('ERR_WRONG_STATUS')
      await Promise.all([patient, stop])
      expect(await codeOf(attempt())).toBe('ERR_WRONG_STATUS')
      await stage.runtime.deleteContainer(container)
    })

    it('is refused in a container that does not run yet, or is frozen', async () => {
      const container = await stage.created({ args: ignoresTerm })
      const attempt = () => codeOf(stage.runtime.execSyncContainer(container, ['/bin/true'], 60))
      expect(await attempt()).toBe('ERR_WRONG_STATUS')
      await stage.runtime.startContainer(container)
      await stage.runtime.pauseContainer(container)
      expect(await attempt()).toBe('ERR_WRONG_STATUS')
      await stage.runtime.deleteContainer(container)
    })

    it('has streams, is listed while it runs, and ends when its input does', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const exec = await stage.runtime.startExec(container, ['/bin/cat'], { stdin: 'pipe', stdout: 'pipe' })
      expect(container.execs).toMatchObject([{ id: exec.id, pid: exec.pid, argv: ['/bin/cat'], tty: false }])
      exec.stdin?.write('half-')
      exec.stdin?.end('closed')
      expect(await outputOf(exec)).toBe('half-closed')
      expect(await exec.exited).toEqual(exited(0))
      expect(container.execs).toEqual([])
      await stage.runtime.deleteContainer(container)
    })

    it('is ended by signals', async () => {
      const container = await stage.started({ args: ignoresTerm })
      for (const [signal, code] of [
        ['TERM', 143],
        [9, 137],
      ] as const) {
        const exec = await stage.runtime.startExec(container, sleeps)
        expect(await exec.kill(signal)).toBe(true)
        expect(await exec.exited).toEqual(exited(code))
        expect(await exec.kill(signal)).toBe(false)
      }
      await stage.runtime.deleteContainer(container)
    })

    it('takes what it has started with it when it is killed', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const argv = ['/bin/sh', '-c', 'echo begun; sleep 1000 & sleep 1000']
      // The output ends when nobody has it open any more.
      const exec = await stage.runtime.startExec(container, argv, {
        stdout: 'pipe',
        drainMs: 600_000,
      })
      const { stdout } = exec
      if (stdout === undefined) throw new Error('it has no output')
      const ended = once(stdout, 'end')
      await once(stdout, 'data')
      expect(await exec.kill(9)).toBe(true)
      expect(await exec.exited).toEqual(exited(137))
      await ended
      await stage.runtime.deleteContainer(container)
    })

    it('ends before its container does, and both are told in that order', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const told = toldOf(stage, container)
      const exec = await stage.runtime.startExec(container, sleeps)
      await stage.runtime.stopContainer(container, 0)
      expect(await exec.exited).toEqual(exited(137))
      await stage.runtime.deleteContainer(container)
      expect(await told).toEqual(['execStarted', 'execExited', 'exited', 'deleted'])
    })
  })
}

async function outputOf({ stdout }: ExecProcess): Promise<string> {
  if (stdout === undefined) throw new Error('it was started without a pipe')
  return text(stdout)
}

async function whenIn({ runtime }: Stage, { id }: Container, phase: ContainerPhase): Promise<void> {
  for await (const event of runtime.events({ filter: { ids: [id] } }))
    if (event.type === 'phase' && event.to === phase) return
}

/** What is published of the container until it is deleted, but for its phases. */
async function toldOf({ runtime }: Stage, { id }: Container): Promise<string[]> {
  const told: string[] = []
  for await (const event of runtime.events({ filter: { ids: [id] } })) {
    if (event.type !== 'phase') told.push(event.type)
    if (event.type === 'deleted') return told
  }
  return told
}
