import { once } from 'node:events'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { runtimePrograms } from './facade-host.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

it('runs containers in a worker thread, whose end closes none of the descriptors of the main thread', async () => {
  const root = makeTempRoot()
  makeRootfs(root)
  const workerData = { root, id: makeContainerId(), handler: 'crun', runtimePath: runtimePrograms.crun }
  const worker = new Worker(new URL('./worker-thread-embedder.ts', import.meta.url), { workerData })
  expect(await once(worker, 'message')).toEqual([
    { collected: 'collected\n', echoed: 'streamed', exit: { kind: 'code', code: 3 } },
  ])
  const ours = Array.from({ length: 40 }, () => openSync('/dev/null', 'r'))
  worker.postMessage('end', [])
  await once(worker, 'exit')
  expect(ours.filter((fd) => !isOpen(fd))).toEqual([])
  for (const fd of ours) closeSync(fd)
})
