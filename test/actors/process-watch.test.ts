import { EMPTY } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { MonitorProbe } from '../../src/actors/monitor-probe.ts'
import { ProcessWatch } from '../../src/actors/process-watch.ts'
import type { ProcessIdentity } from '../../src/impl/runtime-impl.ts'

const init: ProcessIdentity = { pid: 42, startTicks: '1' }
const monitor: ProcessIdentity = { pid: 41, startTicks: '1' }

/** A watch over two processes, and how they end: in the order in which the test says so. */
function stage({ scan = () => Promise.resolve() }: { scan?: () => Promise<void> } = {}) {
  const heard: string[] = []
  const watched = new Map<number, () => void>()
  const probe: MonitorProbe = {
    watch: ({ pid }, gone) => {
      heard.push(`watch ${pid}`)
      watched.set(pid, gone)
      return () => {
        heard.push(`leave ${pid}`)
        watched.delete(pid)
      }
    },
    close: () => undefined,
    get size() {
      return watched.size
    },
  }
  let minds = true
  const complaints: unknown[] = []
  const watch = new ProcessWatch({
    containerId: 'c1',
    probe,
    exits: {
      exits$: EMPTY,
      expect: () => undefined,
      discard: () => Promise.resolve(),
      urgent: () => undefined,
      scan: async () => {
        heard.push('scan')
        await scan()
      },
    },
    logger: {
      debug: () => undefined,
      info: () => undefined,
      error: () => undefined,
      warn: (fields) => complaints.push(fields),
    },
    init: () => init,
    minds: () => minds,
    onMonitorLost: () => heard.push('monitor lost'),
    onInitGone: () => heard.push('init gone'),
  })
  return {
    watch,
    heard,
    complaints,
    end: async (pid: number) => {
      watched.get(pid)?.()
      await new Promise((resolve) => setImmediate(resolve))
    },
    stopMinding: () => {
      minds = false
    },
  }
}

describe('the watch over the processes of a container', () => {
  it('looks for the exit before it tells that the monitor is lost, and at the process from then on', async () => {
    const { watch, heard, end } = stage()
    watch.monitor({ monitor, monitorGone: undefined })
    await end(41)
    expect(heard).toEqual(['watch 41', 'scan', 'monitor lost', 'watch 42'])
    await end(42)
    expect(heard.at(-1)).toBe('init gone')
  })

  it('believes the monitor’s own word, and then needs no probe for it', async () => {
    const { watch, heard } = stage()
    const { promise, resolve } = Promise.withResolvers<void>()
    watch.monitor({ monitor, monitorGone: promise })
    expect(heard).toEqual([])
    resolve()
    await new Promise((next) => setImmediate(next))
    expect(heard).toEqual(['scan', 'monitor lost', 'watch 42'])
  })

  it('does not tell of a monitor that ended after the exit, and does not look either', async () => {
    const { watch, heard, end, stopMinding } = stage()
    watch.monitor({ monitor, monitorGone: undefined })
    stopMinding()
    await end(41)
    expect(heard).toEqual(['watch 41'])
  })

  it('does not tell of a monitor whose exit is found by the look', async () => {
    const scene = stage({
      scan: () => {
        scene.stopMinding()
        return Promise.resolve()
      },
    })
    scene.watch.monitor({ monitor, monitorGone: undefined })
    await scene.end(41)
    expect(scene.heard).toEqual(['watch 41', 'scan'])
  })

  it('tells of the monitor although exits cannot be looked for, and says so', async () => {
    const scene = stage({ scan: () => Promise.reject(new Error('the directory is gone')) })
    scene.watch.monitor({ monitor, monitorGone: undefined })
    await scene.end(41)
    expect(scene.heard).toEqual(['watch 41', 'scan', 'monitor lost', 'watch 42'])
    expect(scene.complaints).toMatchObject([{ containerId: 'c1' }])
  })

  it('looks at the process once, and again after it was stopped', () => {
    const { watch, heard } = stage()
    watch.init()
    watch.init()
    expect(heard).toEqual(['watch 42'])
    watch.stop()
    watch.stop()
    expect(heard).toEqual(['watch 42', 'leave 42'])
    watch.init()
    expect(heard).toEqual(['watch 42', 'leave 42', 'watch 42'])
  })

  it('goes on with a monitor that lives, and not with one that is lost', async () => {
    const { watch, heard, end } = stage()
    watch.resume()
    expect(heard).toEqual([])
    watch.monitor({ monitor, monitorGone: undefined })
    watch.stop()
    watch.resume()
    expect(heard).toEqual(['watch 41', 'leave 41', 'watch 41'])
    await end(41)
    watch.stop()
    heard.splice(0)
    watch.resume()
    expect(heard).toEqual([])
  })
})
