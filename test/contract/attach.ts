/** Clients of a container's streams. */
import { PassThrough, Readable } from 'node:stream'
import { BehaviorSubject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { AttachOptions, Container, TerminalSize } from '../../src/index.ts'
import { floods, ignoresTerm, repeats, tellsSize } from './harness.ts'
import { codeOf, patience, type Stage } from './stage.ts'
import { wrongly } from '../support/wrongly.ts'

const MiB = 1024 * 1024
const ended = (reason: string): unknown => ({ reason, error: undefined })

export function describeAttach(stage: Stage): void {
  describe('and a client of it that', () => {
    it('that came before the start misses nothing, and neither does another', async () => {
      const container = await stage.created({ args: ['/bin/sh', '-c', 'echo a; echo b >&2; echo c'] })
      const clients = [await attach(stage, container), await attach(stage, container)]
      await stage.runtime.startContainer(container)
      for (const { session, out, err } of clients) {
        expect(await session.ended).toEqual(ended('exited'))
        expect([out(), err()]).toEqual(['a\nc\n', 'b\n'])
      }
      await stage.runtime.deleteContainer(container)
    })

    it('says what the container hears, and ends its input if that is for once', async () => {
      const container = await stage.created({ args: repeats, options: { stdin: true, stdinOnce: true } })
      await stage.runtime.startContainer(container)
      const { session, out } = await attach(stage, container, { stdin: Readable.from(['said\n']) })
      expect(await session.ended).toEqual(ended('exited'))
      expect(out()).toBe('said\n')
      expect(await stage.runtime.waitContainer(container)).toMatchObject({ code: 0 })
      await stage.runtime.deleteContainer(container)
    })

    it('leaves by its keys, which the container does not see, and the container goes on', async () => {
      const container = await stage.created({ args: repeats, options: { stdin: true } })
      await stage.runtime.startContainer(container)
      const stdin = new PassThrough()
      const first = await attach(stage, container, { stdin, detachKeys: 'ctrl-p,ctrl-q' })
      const second = await attach(stage, container)
      stdin.write('typed\x10\x11lost')
      expect(await first.session.ended).toEqual(ended('detached'))
      await expect.poll(second.out, patience).toBe('typed')
      second.session.close()
      expect(await second.session.ended).toEqual(ended('closed'))
      expect(container.status).toBe('running')
      await stage.runtime.deleteContainer(container)
    })

    it('that never reads is dropped, and holds up neither the container nor the others', async () => {
      const container = await stage.created({ args: floods(4 * MiB) })
      const stdout = new PassThrough({ highWaterMark: 1024 })
      const stuck = await stage.runtime.attachContainer(container, { stdout, bufferMaxBytes: 65_536 })
      const { session, out } = await attach(stage, container)
      await stage.runtime.startContainer(container)
      expect(await stuck.ended).toEqual(ended('dropped'))
      expect(await session.ended).toEqual(ended('exited'))
      expect(out()).toHaveLength(4 * MiB)
      await stage.runtime.deleteContainer(container)
    })

    it('gives the terminal its size before the container looks', async () => {
      const container = await stage.created({ args: tellsSize, options: { terminal: true } })
      const resize$ = new BehaviorSubject<TerminalSize>({ width: 100, height: 40 })
      const { session, out } = await attach(stage, container, { resize$, tty: true })
      await stage.runtime.startContainer(container)
      expect(await session.ended).toEqual(ended('exited'))
      expect(out().trim()).toBe('40 100')
      await stage.runtime.deleteContainer(container)
    })

    it('is refused where it makes no sense', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const attempt = (request: AttachOptions) => codeOf(stage.runtime.attachContainer(container, request))
      expect(await attempt({ tty: true })).toBe('ERR_INVALID_ARGUMENT')
      expect(await attempt({ detachKeys: 'x y' })).toBe('ERR_INVALID_ARGUMENT')
      const wrong: object[] = [
        { stdin: 'x' },
        { stdout: 'pipe' },
        { stderr: Readable.from([]) },
        { resize$: [] },
      ]
      for (const request of wrong) expect(await attempt(wrongly(request))).toBe('ERR_INVALID_ARGUMENT')
      await stage.runtime.stopContainer(container, 0)
      expect(await attempt({})).toBe('ERR_WRONG_STATUS')
      await stage.runtime.deleteContainer(container)
    })
  })
}

/** A client that reads, with what it has read so far. */
async function attach({ runtime }: Stage, container: Container, request: AttachOptions = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const [out, err] = [textOf(stdout), textOf(stderr)]
  return { session: await runtime.attachContainer(container, { stdout, stderr, ...request }), out, err }
}

function textOf(stream: Readable): () => string {
  let text = ''
  stream.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  return () => text
}
