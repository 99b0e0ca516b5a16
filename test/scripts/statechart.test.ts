import { beforeAll, expect, it } from 'vitest'
import type { AnyStateNode } from 'xstate'
import { drawStatechart, type Statechart } from '../../scripts/statechart/draw.ts'
import { containerMachine } from '../../src/machines/container.machine.ts'

let chart: Statechart
beforeAll(async () => {
  chart = await drawStatechart(containerMachine)
})

function statesIn(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values(node.states).flatMap(statesIn)]
}

const states = statesIn(containerMachine.root)

it('has a box for every state', () => {
  const drawn = [...chart.svg.matchAll(/data-state="([^"]+)"/g)].map(([, id]) => id)
  // The machine itself is the whole picture.
  expect(new Set(drawn)).toEqual(new Set(states.slice(1).map(({ id }) => id)))
})

it('has an arrow for every transition that leads somewhere, and says every event somewhere', () => {
  const ways = states.flatMap((state) => [...state.transitions.values(), state.always ?? []].flat())
  const withTarget = ways.filter(({ target }) => target !== undefined)
  expect(withTarget.length).toBeGreaterThan(100)
  for (const { eventType, source, target = [] } of withTarget) {
    const key = `${source.id}|${String(eventType)}|${target.map(({ id }) => id).join('+')}`
    expect(chart.edges, key).toHaveProperty([key])
    expect(chart.svg).toContain(`data-edge="${chart.edges[key]}"`)
  }
})

it('lies within its frame', () => {
  const [, width = 0, height = 0] = (/viewBox="0 0 (\d+) (\d+)"/.exec(chart.svg) ?? []).map(Number)
  for (const [, x, y] of chart.svg.matchAll(/[MLQ ]([\d.-]+) ([\d.-]+)/g)) {
    expect(Number(x)).toBeLessThanOrEqual(width)
    expect(Number(y)).toBeLessThanOrEqual(height)
  }
})

it('has no style attribute, which the policy of the page would not allow', () => {
  expect(chart.svg).not.toContain('style=')
})

it('is the same for the same machine, and brings its own style only to a document', async () => {
  const again = await drawStatechart(containerMachine, { standalone: true })
  expect(again.hash).toBe(chart.hash)
  expect(again.svg).toContain('<style>')
  expect(chart.svg).not.toContain('<style>')
})
