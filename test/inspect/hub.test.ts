import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { containerPhases } from '../../src/container.ts'
import type { RowFacts, RowState } from '../../src/inspect/protocol.ts'
import {
  becomesTrue,
  inspectorAssets,
  LeapingClock,
  openInspected,
  streamUrl,
  Watcher,
  type Frame,
  type Inspected,
} from './inspected.ts'

const hourMs = 3_600_000

let inspected: Inspected
beforeEach(async () => {
  inspected = await openInspected()
})
afterEach(() => inspected[Symbol.asyncDispose]())

interface OverviewParts {
  readonly rows?: readonly (readonly [RowFacts, RowState])[]
  readonly changed?: readonly RowState[]
  readonly removed?: readonly number[]
}

function overviewOf(frame: Frame): OverviewParts {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- frames of the hub
  return frame as OverviewParts
}

/** What a page would know from these frames: phase by id. */
function pictureOf(frames: readonly Frame[]): Map<string, string> {
  const ids = new Map<number, string>()
  const phases = new Map<string, string>()
  const put = ([index, phase]: RowState): void => {
    const id = ids.get(index)
    if (id !== undefined) phases.set(id, containerPhases[phase] ?? '')
  }
  for (const frame of frames) {
    const { rows = [], changed = [], removed = [] } = overviewOf(frame)
    for (const [facts, state] of rows) {
      ids.set(facts.index, facts.id)
      put(state)
    }
    for (const state of changed) put(state)
    for (const index of removed) {
      phases.delete(ids.get(index) ?? '')
      ids.delete(index)
    }
  }
  return phases
}

function textOf(picture: readonly (readonly [string, string])[]): string {
  return picture
    .map(([id, phase]) => `${id} ${phase}`)
    .toSorted((a, b) => a.localeCompare(b))
    .join('\n')
}

/** Waits until the watcher's picture is this. */
async function pictureBecomes(watcher: Watcher, picture: Readonly<Record<string, string>>): Promise<void> {
  const wanted = textOf(Object.entries(picture))
  await watcher.frame(() => textOf([...pictureOf(watcher.frames)]) === wanted)
}

describe('the overview', () => {
  it('is attached to nothing while nobody watches', async () => {
    expect(inspected.inspector.attached).toBe(0)
    const web = await inspected.run({ id: 'web' })
    const actor = inspected.runtime.parts.registry.find(web)
    if (actor === undefined) throw new Error('it has no actor')
    const observe = vi.spyOn(actor, 'observe')
    const watcher = new Watcher(streamUrl(inspected))
    await pictureBecomes(watcher, { web: 'running' })
    expect(inspected.inspector.attached).toBe(1)
    expect(observe).not.toHaveBeenCalled()
    const focused = new Watcher(streamUrl(inspected, '/watch', { id: 'web' }))
    const other = new Watcher(streamUrl(inspected, '/watch', { id: 'web' }))
    const stock = new Watcher(streamUrl(inspected, '/stately'))
    await Promise.all([focused, other].map((one) => one.frame(({ type }) => type === 'state')))
    await stock.frame(({ type }) => type === '@xstate.actor')
    expect(inspected.inspector.attached).toBe(2)
    await Promise.all([watcher, focused, other, stock].map((one) => one.close()))
    await becomesTrue(() => inspected.inspector.attached === 0)
    expect(observe.mock.calls).toEqual([[expect.any(Function)], [undefined]])
  })

  it('shows what was there, what comes, what changes and what goes', async () => {
    const { runtime, run } = inspected
    const old = await run({ id: 'old' })
    const watcher = new Watcher(streamUrl(inspected))
    await pictureBecomes(watcher, { old: 'running' })
    const young = await run({ id: 'young' })
    await pictureBecomes(watcher, { old: 'running', young: 'running' })
    await runtime.pauseContainer(old)
    await pictureBecomes(watcher, { old: 'paused', young: 'running' })
    await runtime.deleteContainer(young)
    await pictureBecomes(watcher, { old: 'paused' })
    expect(inspected.inspector.attached).toBe(1)
    await watcher.close()
  })

  it.each([-hourMs, hourMs])(
    'tells ages that are right when the wall clock is set by %i ms',
    async (byMs) => {
      const clock = new LeapingClock()
      await using skewed = await openInspected({}, undefined, clock)
      await skewed.run({ id: 'web' })
      clock.setWallClock(byMs)
      const watcher = new Watcher(streamUrl(skewed))
      const hello = await watcher.frame(({ type }) => type === 'hello')
      const { rows = [] } = overviewOf(await watcher.frame(({ type }) => type === 'rows'))
      const focused = new Watcher(streamUrl(skewed, '/watch', { id: 'web' }))
      const state = await focused.frame(({ type }) => type === 'state')
      const ages = [
        [hello['nowMs'], rows[0]?.[1][2]],
        [state['nowMs'], state['sinceMs']],
      ].map(([now, since]) => Number(now) - Number(since))
      for (const ageMs of ages) {
        expect(ageMs).toBeGreaterThanOrEqual(0)
        expect(ageMs).toBeLessThan(hourMs / 2)
      }
      await Promise.all([watcher.close(), focused.close()])
    },
  )

  it('takes a container whose id is used again for another one', async () => {
    const { runtime, run } = inspected
    const first = await run({ id: 'web', name: 'first' })
    const watcher = new Watcher(streamUrl(inspected))
    await pictureBecomes(watcher, { web: 'running' })
    watcher.forget()
    await runtime.deleteContainer(first)
    await run({ id: 'web', name: 'second' })
    await watcher.frame(({ rows }) => JSON.stringify(rows)?.includes('"second"') ?? false)
    const removed = watcher.frames.flatMap((frame) => frame['removed'] ?? [])
    expect(removed).toEqual([0])
    await watcher.close()
  })

  it('costs a container that changes often no more than one that changes once', async () => {
    const { runtime, run } = inspected
    const web = await run({ id: 'web' })
    const watcher = new Watcher(streamUrl(inspected))
    await pictureBecomes(watcher, { web: 'running' })
    watcher.forget()
    const fromMs = performance.now()
    for (let round = 0; round < 200; round += 1) {
      await runtime.pauseContainer(web)
      await runtime.unpauseContainer(web)
    }
    const tenths = Math.ceil((performance.now() - fromMs) / 100)
    const deltas = watcher.frames.filter(({ type }) => type === 'delta')
    expect(deltas.length).toBeLessThanOrEqual(tenths + 1)
    await watcher.close()
  })

  it('says that it is closing', async () => {
    const watcher = new Watcher(streamUrl(inspected))
    await watcher.frame(({ type }) => type === 'hello')
    await inspected.inspector.close()
    expect([1001, 1006]).toContain(await watcher.closed)
  })
})

describe('one container', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'inspector-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  interface Line {
    readonly kind: string
    readonly what: string
    readonly from?: string
    readonly to?: string
    readonly detail?: string
    readonly edges: readonly string[]
  }

  function linesOf(watcher: Watcher): Line[] {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- frames of the hub
    return watcher.frames.flatMap(({ records = [] }) => records as Line[])
  }

  it('is told with the past that is kept, and from then on with every transition and its cause', async () => {
    const { runtime, run } = inspected
    const web = await run({ id: 'web' })
    const watcher = new Watcher(streamUrl(inspected, '/watch', { id: 'web' }))
    await watcher.frame(({ type }) => type === 'state')
    await runtime.stopContainer(web, 7)
    await watcher.frame(({ phase }) => phase === 'stopped')
    const lines = linesOf(watcher)
    const past = lines.filter(({ kind }) => kind === 'phase').map(({ from, to }) => `${from} → ${to}`)
    expect(past).toEqual([
      'registered → creating',
      'creating → created',
      'created → starting',
      'starting → running',
    ])
    const stop = lines.find(({ what }) => what === 'stop')
    expect(stop).toMatchObject({
      kind: 'transition',
      from: 'running',
      to: 'stopping.signalling',
      detail: 'grace 7 s, request 3',
    })
    expect(stop?.edges).toEqual([
      'container.live.life.running|container.stop|container.live.life.stopping.signalling',
    ])
    const events = lines.filter(({ kind }) => kind === 'event').map(({ what }) => what)
    expect(events).toEqual(['created', 'started', 'exited'])
    await watcher.close()
  })

  it('has the arrow of every transition in its statechart', async () => {
    await using drawn = await openInspected({}, await inspectorAssets())
    const { runtime, run, inspector } = drawn
    const web = await run({ id: 'web' })
    const watcher = new Watcher(streamUrl(drawn, '/watch', { id: 'web' }))
    const facts = await watcher.frame(({ type }) => type === 'facts')
    await runtime.pauseContainer(web)
    await runtime.deleteContainer(web)
    await watcher.frame(({ type }) => type === 'gone')
    const address = new URL(`/statecharts/${String(facts['statechart'])}`, inspector.url)
    address.searchParams.set('token', inspector.token ?? '')
    const response = await fetch(address)
    expect(response.headers.get('cache-control')).toContain('immutable')
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it is, the expectations below say
    const chart = (await response.json()) as { svg: string; edges: Record<string, string> }
    const taken = linesOf(watcher).flatMap(({ edges }) => edges)
    expect(taken.length).toBeGreaterThan(6)
    for (const key of taken.filter((edge) => !edge.endsWith('|'))) {
      const edge = chart.edges[key]
      expect(edge, key).toBeDefined()
      expect(chart.svg).toContain(`data-edge="${edge}"`)
    }
  })

  it('shows commands that are under way and those that wait', async () => {
    const { runtime, sim, run } = inspected
    const web = await run({ id: 'web' })
    sim.inject('web', { effect: 'pause', fault: 'late', delayMs: 300 })
    const watcher = new Watcher(streamUrl(inspected, '/watch', { id: 'web' }))
    await watcher.frame(({ type }) => type === 'state')
    const done = Promise.allSettled([runtime.pauseContainer(web), runtime.unpauseContainer(web)])
    const busy = await watcher.frame(({ queued }) => String(queued) === 'unpause')
    expect(busy['underWay']).toEqual(['pause'])
    await done
    await watcher.close()
  })

  it('shows its log, and what is added to it', async () => {
    const logPath = join(directory, 'log')
    const write = (text: string): void =>
      appendFileSync(logPath, `2026-01-01T00:00:00.000000000+00:00 stdout F ${text}\n`)
    write('first line')
    await inspected.run({ id: 'web', logPath })
    const watcher = new Watcher(streamUrl(inspected, '/watch', { id: 'web' }))
    await watcher.frame(({ lines }) => JSON.stringify(lines)?.includes('first line') ?? false)
    write('second line')
    await watcher.frame(({ lines }) => JSON.stringify(lines)?.includes('second line') ?? false)
    expect(watcher.texts.filter((text) => text.includes('first line'))).toHaveLength(1)
    await watcher.close()
  })

  it('keeps its log to itself where the embedder says so', async () => {
    const logPath = join(directory, 'log')
    appendFileSync(logPath, '2026-01-01T00:00:00.000000000+00:00 stdout F first line\n')
    await using discreet = await openInspected({ logs: false })
    const web = await discreet.run({ id: 'web', logPath })
    const watcher = new Watcher(streamUrl(discreet, '/watch', { id: 'web' }))
    await watcher.frame(({ type }) => type === 'state')
    await discreet.runtime.deleteContainer(web)
    await watcher.closed
    expect(watcher.texts.join('')).not.toContain('first line')
  })

  it('that is not there is said to be gone', async () => {
    const watcher = new Watcher(streamUrl(inspected, '/watch', { id: 'nobody' }))
    await watcher.frame(({ type }) => type === 'gone')
    expect(await watcher.closed).toBe(1000)
  })

  it('goes on unharmed when an observer of its machine throws', async () => {
    const { runtime, run } = inspected
    const web = await run({ id: 'web' })
    let calls = 0
    runtime.parts.registry.get('web')?.observe(() => {
      calls += 1
      throw new Error('an observer failed')
    })
    await runtime.pauseContainer(web)
    await runtime.unpauseContainer(web)
    expect(calls).toBeGreaterThan(10)
    expect(web.phase).toBe('running')
  })
})
