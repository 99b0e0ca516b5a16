/** A container's log, and its rotation. */
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { ignoresTerm, repeats } from './harness.ts'
import { codeOf, patience, type Stage } from './stage.ts'

export function describeLogs(stage: Stage): void {
  describe('and its log, which', () => {
    it('goes on in a new file once the old one was moved, and no line is lost', async () => {
      const container = await stage.created({ args: repeats, options: { stdin: true } })
      await stage.runtime.startContainer(container)
      const stdin = new PassThrough()
      const session = await stage.runtime.attachContainer(container, { stdin })
      stdin.write('before\n')
      await expect.poll(() => stage.harness.logs(container), patience).toEqual(['before\n'])
      stage.harness.moveLog(container)
      await stage.runtime.reopenContainerLog(container)
      stdin.write('after\n')
      await expect.poll(() => stage.harness.logs(container), patience).toEqual(['before\n', 'after\n'])
      session.close()
      await stage.runtime.deleteContainer(container)
    })

    it('is not reopened for a container that has none any more', async () => {
      const container = await stage.started({ args: ignoresTerm })
      await stage.runtime.stopContainer(container, 0)
      expect(await codeOf(stage.runtime.reopenContainerLog(container))).toBe('ERR_WRONG_STATUS')
      await stage.runtime.deleteContainer(container)
    })
  })
}
