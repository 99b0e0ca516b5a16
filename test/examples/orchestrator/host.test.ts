import { afterEach, expect, it, vi } from 'vitest'
import { chooseRuntime } from '../../../examples/orchestrator/host.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

it.each([undefined, 'runc', 'crun'] as const)(
  'without root %s becomes the simulated runtime',
  async (asked) => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue('linux')
    vi.spyOn(process, 'getuid').mockReturnValue(1000)
    expect(await chooseRuntime(asked)).toEqual({ kind: 'simulated', why: 'real containers need root' })
  },
)

it.each([undefined, 'crun'] as const)('on macOS %s becomes the simulated runtime', async (asked) => {
  vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin')
  expect(await chooseRuntime(asked)).toEqual({ kind: 'simulated', why: 'darwin has no containers' })
})
