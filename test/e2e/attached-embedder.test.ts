/** What an attached client is to the process that embeds us. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it, onTestFinished } from 'vitest'
import { defineConfig, Runtime } from '../../src/index.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { runtimePrograms } from './facade-host.ts'

const program = new URL('attached-embedder.ts', import.meta.url).pathname

/** Its end by itself, and what it said. The next supervisor removes its container. */
async function embedder(waitsFor: string): Promise<{ code: unknown; said: string; left: string }> {
  const root = makeTempRoot()
  makeRootfs(root)
  const { crun } = runtimePrograms
  const args = [program, root, makeContainerId('a'), 'crun', crun, waitsFor]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<unknown[]>])
  const runtime = await Runtime.open(
    defineConfig({
      defaultRuntime: 'crun',
      runtimes: { crun: { runtimePath: crun } },
      runDir: join(root, 'run'),
      stateDir: join(root, 'state'),
    }),
  )
  const containers = runtime.containers.list()
  const left = containers.map(({ status }) => status).join()
  await Promise.all(containers.map((container) => runtime.deleteContainer(container)))
  await runtime.close()
  return { code, said, left }
}

it('an attached client keeps its process alive when its end is awaited, and not by itself', async () => {
  const [nobody, awaited] = await Promise.all([embedder('nothing'), embedder('ended')])
  expect(nobody).toEqual({ code: 0, said: 'the last line\n', left: 'running' })
  expect(awaited).toEqual({ code: 0, said: 'exited\nthe last line\n', left: 'stopped' })
})
