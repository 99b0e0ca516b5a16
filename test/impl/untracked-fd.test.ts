import { once } from 'node:events'
import { closeSync, fstatSync, openSync, readdirSync, readlinkSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { makeTempRoot } from '../support/temp-root.ts'

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

function openBelow(directory: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith(directory) ? [target] : []
    } catch {
      // The descriptor that lists the directory.
      return []
    }
  })
}

describe('a worker thread that has used streams over FIFOs', () => {
  it('closes none of the descriptors that the main thread has opened meanwhile, and leaves none of its own', async () => {
    const directory = makeTempRoot()
    const worker = new Worker(new URL('./worker-descriptors.ts', import.meta.url), { workerData: directory })
    await once(worker, 'message')
    const ours = Array.from({ length: 40 }, () => openSync('/dev/null', 'r'))
    worker.postMessage('end', [])
    await once(worker, 'exit')
    expect(ours.filter((fd) => !isOpen(fd))).toEqual([])
    expect(openBelow(directory)).toEqual([])
    for (const fd of ours) closeSync(fd)
  })
})
