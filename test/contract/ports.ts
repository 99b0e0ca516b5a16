/** Connections to what listens in a container. */
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import type { CallOptions, Container } from '../../src/index.ts'
import { ignoresTerm, serves } from './harness.ts'
import { codeOf, patience, type Stage } from './stage.ts'
import { wrongly } from '../support/wrongly.ts'

const port = 7000

export function describePorts(stage: Stage): void {
  describe('and a port of it that', () => {
    it('answers what it is told, and each direction ends for itself', async () => {
      const container = await stage.started({ args: serves(port) })
      // It listens a moment after it runs.
      await expect.poll(() => converse(stage, container, 'early'), patience).toBe('early')
      const much = 'echo '.repeat(100_000)
      expect(await converse(stage, container, much)).toBe(much)
      await stage.runtime.deleteContainer(container)
    })

    it('is refused where nobody listens, and leaves the stream as it is', async () => {
      const container = await stage.started({ args: ignoresTerm })
      const [, stream] = duplexPair()
      const attempt = (which: number) => codeOf(stage.runtime.portForwardContainer(container, which, stream))
      expect(await attempt(port)).toBe('ERR_PORT_REFUSED')
      expect(await attempt(70_000)).toBe('ERR_INVALID_ARGUMENT')
      expect(await codeOf(stage.runtime.portForwardContainer(container, port, wrongly({})))).toBe(
        'ERR_INVALID_ARGUMENT',
      )
      expect(stream.destroyed).toBe(false)
      await stage.runtime.stopContainer(container, 0)
      expect(await attempt(port)).toBe('ERR_WRONG_STATUS')
      await stage.runtime.deleteContainer(container)
    })

    it('is let go of when nobody waits any more, and when the container ends', async () => {
      const container = await stage.started({ args: serves(port) })
      await expect.poll(() => converse(stage, container, 'early'), patience).toBe('early')
      const abort = new AbortController()
      const connected = async (options: CallOptions) => {
        const [client, stream] = duplexPair()
        const over = codeOf(stage.runtime.portForwardContainer(container, port, stream, options))
        client.write('hello')
        await new Promise((resolve) => client.once('data', resolve))
        return { stream, over }
      }
      const [first, second] = [await connected({ signal: abort.signal }), await connected({})]
      abort.abort()
      expect(await first.over).toBe('ERR_ABORTED')
      await stage.runtime.stopContainer(container, 0)
      await second.over
      expect([first.stream.destroyed, second.stream.destroyed]).toEqual([true, true])
      await stage.runtime.deleteContainer(container)
    })
  })
}

/** What comes back, or the code of the error. */
async function converse({ runtime }: Stage, container: Container, words: string): Promise<string> {
  const [client, stream] = duplexPair()
  const over = codeOf(runtime.portForwardContainer(container, port, stream))
  client.end(words)
  const answer = text(client)
  const code = await Promise.race([answer.then(() => 'undefined'), over])
  return code === 'undefined' ? answer : code
}
