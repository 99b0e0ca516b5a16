/** What a container uses, and what it may use. */
import { describe, expect, it } from 'vitest'
import type { ContainerStats, OciLinuxResources } from '../../src/index.ts'
import { ignoresTerm } from './harness.ts'
import { codeOf, type Stage } from './stage.ts'

const MiB = 1024 * 1024

export function describeMeasuring(stage: Stage): void {
  describe('and its use of the host, which', () => {
    it('can be seen while it is there, running or frozen', async () => {
      const container = await stage.started({ args: ignoresTerm, memoryLimitBytes: 64 * MiB })
      const sample = await stage.runtime.containerStats(container)
      expect(formOf(sample)).toEqual(form)
      expect(sample).toMatchObject({ container: container.id, memLimit: 64 * MiB, pids: 1, oomKills: 0 })
      expect(sample.memPerc).toBe((sample.memUsage ?? 0) / sample.memLimit)
      await stage.runtime.execSyncContainer(container, ['/bin/true'], 60)
      await stage.runtime.pauseContainer(container)
      const later = await stage.runtime.containerStats(container)
      expect(later.cpuNano).toBeGreaterThanOrEqual(sample.cpuNano)
      expect(later.systemNano).toBeGreaterThanOrEqual(sample.systemNano)
      await stage.runtime.deleteContainer(container)
      expect(await codeOf(stage.runtime.containerStats(container))).toBe('ERR_NOT_FOUND')
    })

    it('can be changed while it runs, and what is not named stays', async () => {
      const container = await stage.started({ args: ignoresTerm, memoryLimitBytes: 64 * MiB })
      const memLimit = async () => (await stage.runtime.containerStats(container)).memLimit
      await stage.runtime.updateContainer(container, { memory: { limit: 96 * MiB }, pids: { limit: 77 } })
      expect(await memLimit()).toBe(96 * MiB)
      await stage.runtime.updateContainer(container, { pids: { limit: 78 } })
      expect(await memLimit()).toBe(96 * MiB)
      await stage.runtime.deleteContainer(container)
    })

    it.each<[OciLinuxResources, string]>([
      [{ memory: { limit: -5 } }, 'ERR_INVALID_ARGUMENT'],
      [{ cpu: { quota: 1 } }, 'ERR_INVALID_ARGUMENT'],
      [{ cpu: { cpus: '4000' } }, 'ERR_INVALID_ARGUMENT'],
      [{ devices: [] }, 'ERR_UNSUPPORTED'],
    ])('cannot be changed to nonsense: %j', async (resources, code) => {
      const container = await stage.created({ args: ignoresTerm, memoryLimitBytes: 64 * MiB })
      expect(await codeOf(stage.runtime.updateContainer(container, resources))).toBe(code)
      expect(await stage.runtime.containerStats(container)).toMatchObject({ memLimit: 64 * MiB })
      await stage.runtime.deleteContainer(container)
    })
  })
}

/** The types of the seed's fields where nothing is missing that a host can have. */
const form = {
  container: 'string',
  cpu: 'number',
  cpuNano: 'bigint',
  systemNano: 'bigint',
  memUsage: 'number',
  memLimit: 'number',
  memPerc: 'number',
  netInput: 'number',
  netOutput: 'number',
  blockInput: 'number',
  blockOutput: 'number',
  pids: 'number',
  memTotalBytes: 'number',
}

function formOf(sample: ContainerStats): Record<string, string> {
  const seen = Object.entries(sample).filter(([name]) => Object.hasOwn(form, name))
  return Object.fromEntries(seen.map(([name, value]) => [name, typeof value]))
}
