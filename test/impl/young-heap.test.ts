import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { z } from 'zod'

const execFileAsync = promisify(execFile)
const MiB = 1024 * 1024

/**
 * A new process reads two GiB and drops them. It says how often its whole heap was collected meanwhile, and how large the
 * young one is then. In a process of vitest's the same takes dozens of collections: what else is there is vitest's.
 */
const reader = `
  import { constants, PerformanceObserver } from 'node:perf_hooks'
  import { setImmediate as turn } from 'node:timers/promises'
  import { getHeapSpaceStatistics } from 'node:v8'
  const { streamed } = await import(process.argv[1])
  let fullCount = 0
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) fullCount += 1
  })
  observer.observe({ entryTypes: ['gc'] })
  for (let chunk = 0; chunk < 32768; chunk += 1) {
    streamed(Buffer.allocUnsafeSlow(65536).length)
    if (chunk % 16 === 0) await turn()
  }
  await turn()
  const youngBytes = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size
  console.log(JSON.stringify({ fullCount, youngBytes }))
`

it('a long stream has its dead buffers collected without the whole heap, and the young one stays small', async () => {
  const module = new URL('../../src/impl/young-heap.ts', import.meta.url).href
  const args = ['--input-type=module', '--eval', reader, module]
  const { stdout } = await execFileAsync(process.execPath, args)
  const seen = z.object({ fullCount: z.number(), youngBytes: z.number() }).parse(JSON.parse(stdout))
  // Without: some twenty on Node 24, ten on 26, none on 22.
  expect(seen.fullCount).toBeLessThanOrEqual(2)
  expect(seen.youngBytes).toBeGreaterThan(0)
  expect(seen.youngBytes).toBeLessThan(16 * MiB)
})
