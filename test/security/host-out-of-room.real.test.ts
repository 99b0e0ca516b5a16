/** A host that has nothing left to give still gets its containers killed, and every verb an answer. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { runtimePrograms } from '../e2e/facade-host.ts'
import { runtimeNames, until } from '../e2e/oci-host.ts'
import { pidExists } from '../../src/impl/process-identity.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'

const begun = z.object({ pid: z.number(), taken: z.number().positive() })
const ended = z.object({ exit: z.object({ kind: z.literal('code'), code: z.number() }) })

describe.each(runtimeNames)('an embedder without a descriptor left, on %s', (handler) => {
  it('kills a container that ignores TERM, and records its exit when there are descriptors again', async () => {
    const root = makeTempRoot()
    makeRootfs(root)
    const program = new URL('out-of-descriptors-embedder.ts', import.meta.url).pathname
    const embedder = [process.execPath, program, root, makeContainerId(), handler, runtimePrograms[handler]]
    // Few enough to be used up at once, enough for what a specification asks for by default.
    const child = spawn('prlimit', ['--nofile=2048:2048', ...embedder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const read = async (): Promise<unknown> => JSON.parse(z.string().parse((await lines.next()).value))

    const { pid } = begun.parse(await read())
    await until('init is killed', () => !pidExists(pid))
    child.stdin.write('\n')
    expect(ended.parse(await read()).exit.code).toBe(137)
    child.stdin.end()
    expect(await exited).toEqual([0, null])
  })
})
