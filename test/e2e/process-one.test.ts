/** An embedder in a pid namespace of its own, as in a container: as process 1 of it, and below an init that reaps. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'

const reportSchema = z.object({
  pid: z.number(),
  exit: z.object({ kind: z.string(), code: z.number() }),
  warnings: z.array(z.string()),
  zombies: z.number(),
})

async function runEmbedder(init: readonly string[]) {
  const root = makeTempRoot()
  const program = fileURLToPath(new URL('process-one-embedder.ts', import.meta.url))
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', program]
  const argv = [
    '--pid',
    '--fork',
    '--mount-proc',
    ...init,
    ...node,
    root,
    makeRootfs(root),
    makeContainerId(),
  ]
  const { stdout } = await promisify(execFile)('unshare', argv)
  return reportSchema.parse(JSON.parse(stdout))
}

it('as process 1 is warned once that nobody reaps monitors, and everything else holds', async () => {
  const { pid, exit, warnings } = await runEmbedder([])
  expect(pid).toBe(1)
  expect(exit).toEqual({ kind: 'code', code: 7 })
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toMatch(/process 1.*tini/)
})

it('below an init that reaps leaves no zombie, and is not warned', async () => {
  // A shell waits for every child, also for those that it was given.
  expect(await runEmbedder(['sh', '-c', '"$@"; exit $?', 'sh'])).toMatchObject({
    exit: { kind: 'code', code: 7 },
    warnings: [],
    zombies: 0,
  })
})
