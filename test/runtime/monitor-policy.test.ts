/** What becomes of a container whose monitor has died, as its embedder decides. */
import { describe, expect, it } from 'vitest'
import type { Container, MonitorPolicyOf } from '../../src/index.ts'
import { openStage, type Stage } from './stage.ts'

const ignore = (): void => undefined

async function loseMonitor({ sim, clock }: Stage, container: Container): Promise<void> {
  sim.killMonitor(container.id)
  await clock.advance(10_000)
}

describe('a container whose monitor has died', () => {
  it('runs on unless the embedder says otherwise, and its end is noticed as unknown', async () => {
    const stage = await openStage()
    const container = await stage.started()
    await loseMonitor(stage, container)
    expect(container.phase).toBe('running')
    await stage.clock.runUntil(stage.runtime.stopContainer(container, 0))
    expect(container.state.exit).toMatchObject({ kind: 'unknown', why: 'monitor-lost' })
  })

  it('is killed where the embedder says so, who is asked once', async () => {
    const asked: string[] = []
    const onMonitorLost: MonitorPolicyOf = (container) => {
      asked.push(container.id)
      return 'kill'
    }
    const stage = await openStage({ onMonitorLost })
    const container = await stage.started({ onTerm: 'ignore' })
    await loseMonitor(stage, container)
    expect(container.phase).toBe('stopped')
    expect(container.state.exit).toMatchObject({ kind: 'unknown', why: 'monitor-lost' })
    expect(stage.told(container)).toEqual(['created', 'started', 'monitorLost', 'exited'])
    expect(asked).toEqual([container.id])
  })

  it('is told of while it is being stopped, and its end needs no exit file then', async () => {
    const stage = await openStage()
    const container = await stage.started({ onTerm: 'ignore' })
    const stop = stage.runtime.stopContainer(container, 60)
    await loseMonitor(stage, container)
    expect(container.phase).toBe('stopping.grace')
    expect(stage.told(container)).toEqual(['created', 'started', 'monitorLost'])
    await stage.clock.runUntil(stop)
    expect(container.state.exit).toMatchObject({ kind: 'unknown', why: 'monitor-lost' })
  })

  it('is not asked about when it ended with its monitor', async () => {
    const asked: string[] = []
    const stage = await openStage({
      onMonitorLost: ({ id }) => {
        asked.push(id)
        return 'kill'
      },
    })
    const container = await stage.started({ runsForMs: 5 })
    await stage.clock.advance(1000)
    await loseMonitor(stage, container)
    expect(container.state.exit).toMatchObject({ kind: 'code' })
    expect(asked).toEqual([])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('a defect of the embedder')
      },
    ],
    ['answers nonsense', () => 'perhaps'],
  ])('is kept when the embedder %s, and that is logged', async (_, policy) => {
    const errors: unknown[] = []
    const logger = {
      debug: ignore,
      info: ignore,
      warn: ignore,
      error: (fields: unknown) => errors.push(fields),
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript could pass
    const stage = await openStage({ onMonitorLost: policy as MonitorPolicyOf, logger })
    const container = await stage.started()
    await loseMonitor(stage, container)
    expect(container.phase).toBe('running')
    expect(errors).toMatchObject([{ containerId: container.id }])
  })
})
