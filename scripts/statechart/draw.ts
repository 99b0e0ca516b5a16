/**
 * Draws a statechart as SVG. ELK lays it out; edges between the same two states are drawn as one, and those that only act
 * are left out: a table tells of them.
 */
import { default as elk, type ElkEdgeSection, type ElkExtendedEdge, type ElkNode } from 'elkjs'
import type { Chart, ChartEdge, ChartState, EdgeKind } from './graph.ts'

const fontPx = 11
const characterPx = 6.2
const linePx = 14

const colors: Readonly<Record<EdgeKind, string>> = {
  command: '#1f5fbf',
  fact: '#7a4fb0',
  done: '#2c8a4a',
  failed: '#c0392b',
  after: '#b8730a',
  always: '#777777',
}

interface Arrow {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly kind: EdgeKind
  readonly lines: readonly string[]
}

export async function drawChart(chart: Chart): Promise<string> {
  const arrows = arrowsOf(chart.edges)
  const laidOut = await new elk.default().layout({
    ...elkStateOf(chart.root),
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': 'DOWN',
      'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
      'elk.edgeRouting': 'ORTHOGONAL',
      'elk.layered.spacing.nodeNodeBetweenLayers': '36',
      'elk.spacing.nodeNode': '28',
      'elk.spacing.edgeLabel': '3',
      'elk.json.edgeCoords': 'ROOT',
      'elk.randomSeed': '1',
    },
    edges: arrows.map(elkEdgeOf),
  })
  const [width, height] = [round(laidOut.width), round(laidOut.height)]
  const body = [
    ...(laidOut.children ?? []).flatMap((node) => drawState(node, statesById(chart.root), 0, 0)),
    ...(laidOut.edges ?? []).flatMap((edge) => drawArrow(edge, arrows)),
  ]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="${fontPx}">`,
    '<style>.state{fill:#ffffff;stroke:#444444}.region{fill:#00000008;stroke:#999999}.final{stroke-width:3}.name{font-weight:600;fill:#111111}.invoke{fill:#555555;font-style:italic}</style>',
    ...Object.entries(colors).map(
      ([kind, color]) =>
        `<marker id="${kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="${color}"/></marker>`,
    ),
    `<rect width="${width}" height="${height}" fill="#fbfbfb"/>`,
    ...body,
    '</svg>',
    '',
  ].join('\n')
}

/** One arrow for all edges of a kind between the same two states. */
function arrowsOf(edges: readonly ChartEdge[]): Arrow[] {
  const arrows = new Map<string, Arrow>()
  for (const edge of edges) {
    for (const to of edge.to) {
      const key = `${edge.from} > ${to} ${edge.kind}`
      const line = edge.guard === undefined ? edge.on : `${edge.on} [${edge.guard}]`
      const lines = arrows.get(key)?.lines ?? []
      const { from, kind } = edge
      arrows.set(key, { id: key, from, to, kind, lines: lines.includes(line) ? lines : [...lines, line] })
    }
  }
  return [...arrows.values()]
}

function elkStateOf(state: ChartState): ElkNode {
  const lines = [state.name, ...state.invokes.map((invoke) => `does ${invoke}`)]
  const isLeaf = state.states.length === 0
  return {
    id: state.id === '' ? 'root' : state.id,
    ...(isLeaf ? { width: Math.max(70, widthOf(lines) + 16), height: 12 + lines.length * linePx } : {}),
    ...(isLeaf ? {} : { layoutOptions: { 'elk.padding': '[top=26,left=14,bottom=14,right=14]' } }),
    children: state.states.map(elkStateOf),
  }
}

function elkEdgeOf({ id, from, to, lines }: Arrow): ElkExtendedEdge {
  return {
    id,
    sources: [from],
    targets: [to],
    labels: [{ text: lines.join('\n'), width: widthOf(lines), height: lines.length * linePx }],
  }
}

function statesById(state: ChartState): Map<string, ChartState> {
  return new Map([[state.id, state], ...state.states.flatMap((inner) => [...statesById(inner)])])
}

function drawState(
  node: ElkNode,
  states: ReadonlyMap<string, ChartState>,
  leftPx: number,
  topPx: number,
): string[] {
  const state = states.get(node.id)
  const [x, y] = [leftPx + (node.x ?? 0), topPx + (node.y ?? 0)]
  const isLeaf = (node.children ?? []).length === 0
  const kind = `${isLeaf ? 'state' : 'region'}${state?.type === 'final' ? ' final' : ''}`
  const invokes = (state?.invokes ?? []).map(
    (invoke, index) =>
      `<text class="invoke" x="${round(x + 8)}" y="${round(y + 17 + (index + 1) * linePx)}">does ${invoke}</text>`,
  )
  const mark =
    state?.isInitial === true ? `<circle cx="${round(x)}" cy="${round(y)}" r="4" fill="#111111"/>` : ''
  return [
    `<rect class="${kind}" data-state="${node.id}" x="${round(x)}" y="${round(y)}" width="${round(node.width)}" height="${round(node.height)}" rx="6"/>${mark}`,
    `<text class="name" x="${round(x + 8)}" y="${round(y + 17)}">${escaped(state?.name ?? node.id)}</text>`,
    ...invokes,
    ...(node.children ?? []).flatMap((child) => drawState(child, states, x, y)),
  ]
}

function drawArrow(edge: ElkExtendedEdge, arrows: readonly Arrow[]): string[] {
  const arrow = arrows.find(({ id }) => id === edge.id)
  if (arrow === undefined) return []
  const color = colors[arrow.kind]
  const paths = (edge.sections ?? []).map(
    (section) =>
      `<path d="${pathOf(section)}" fill="none" stroke="${color}" marker-end="url(#${arrow.kind})"/>`,
  )
  const labels = (edge.labels ?? []).flatMap(({ x = 0, y = 0 }) =>
    arrow.lines.map(
      (line, index) =>
        `<text x="${round(x)}" y="${round(y + 11 + index * linePx)}" fill="${color}">${escaped(line)}</text>`,
    ),
  )
  return [...paths, ...labels]
}

function pathOf({ startPoint, bendPoints = [], endPoint }: ElkEdgeSection): string {
  return [startPoint, ...bendPoints, endPoint]
    .map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`)
    .join('')
}

function widthOf(lines: readonly string[]): number {
  return Math.max(...lines.map((line) => line.length)) * characterPx
}

function round(px: number | undefined): number {
  return Math.round((px ?? 0) * 10) / 10
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
