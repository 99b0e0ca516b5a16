import { execFile } from 'node:child_process'
import { constants, PerformanceObserver } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { streamed } from '../../src/impl/young-heap.ts'

const execFileAsync = promisify(execFile)
const chunkBytes = 64 * 1024
const chunks = 32_768

/** How often the whole heap is collected while two GiB are read and dropped. */
async function fullCollections(onChunk: (sizeBytes: number) => void): Promise<number> {
  let count = 0
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if ('detail' in entry && isMajor(entry.detail)) count += 1
  })
  observer.observe({ entryTypes: ['gc'] })
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    onChunk(Buffer.allocUnsafeSlow(chunkBytes).length)
    if (chunk % 16 === 0) await turn()
  }
  await turn()
  observer.disconnect()
  return count
}

function isMajor(detail: unknown): boolean {
  return (
    typeof detail === 'object' &&
    detail !== null &&
    'kind' in detail &&
    detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR
  )
}

it('a long stream has its dead buffers collected without the whole heap', async () => {
  const without = await fullCollections(() => undefined)
  expect(without).toBeGreaterThanOrEqual(10)
  expect(await fullCollections(streamed)).toBeLessThan(without / 2)
})

const MiB = 1024 * 1024

/** The size of the young heap of a new process that has read and dropped two GiB. */
const youngHeapOfReader = `
  import { getHeapSpaceStatistics } from 'node:v8'
  import { setImmediate as turn } from 'node:timers/promises'
  const { streamed } = await import(process.argv[1])
  for (let chunk = 0; chunk < 32768; chunk += 1) {
    streamed(Buffer.allocUnsafeSlow(${chunkBytes}).length)
    if (chunk % 16 === 0) await turn()
  }
  console.log(getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size)
`

it('a long stream does not make the young heap grow to its limit', async () => {
  const module = new URL('../../src/impl/young-heap.ts', import.meta.url).href
  const args = ['--input-type=module', '--eval', youngHeapOfReader, module]
  const { stdout } = await execFileAsync(process.execPath, args)
  expect(Number(stdout)).toBeGreaterThan(0)
  expect(Number(stdout)).toBeLessThan(16 * MiB)
})
