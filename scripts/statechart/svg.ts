/**
 * The drawing as SVG. Every box and arrow has an id, so that a page can light it; colours come from classes, so that a
 * page can have its own. Deliberately without `style` attributes: a strict content security policy forbids them.
 */
import { startsAtParent, type GraphEdge } from './graph.ts'
import type { Arrow, Box, Drawing, Point } from './layout.ts'
import { edgeWords, effectText, labelHeight, nameWidth } from './words.ts'

/** Without a style sheet: for a page that has one. */
export function statechartSvg(drawing: Drawing, title: string): string {
  const { boxes, arrows } = drawing
  const [width, height] = [Math.ceil(drawing.width), Math.ceil(drawing.height)]
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" class="statechart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    ...boxes.map(box),
    ...arrows.map(arrow),
    '</svg>',
  ]
  return parts.join('\n')
}

function box({ node, x, y, width, height, depth }: Box): string {
  const isBox = node.children.length > 0
  const classes = [
    'state',
    isBox ? `group depth-${depth}` : 'leaf',
    node.type === 'final' ? 'final' : '',
    node.isInitial ? 'initial' : '',
  ]
  const at = `x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="${isBox ? 8 : 6}"`
  const effect = effectText(node)
  const middle = round(x + width / 2)
  const name = isBox
    ? `<text class="name" x="${round(x + 14)}" y="${round(y + 19)}">${escaped(node.name)}</text>`
    : `<text class="name" x="${middle}" y="${round(y + (effect === undefined ? height / 2 + 4 : 17))}">${escaped(node.name)}</text>`
  const own = node.edges
    .filter((edge) => startsAtParent(node, edge))
    .map((edge) => ownEdge(edge, x + 24 + nameWidth(node.name), y + 19))
  const note =
    effect === undefined
      ? ''
      : `<text class="effect" x="${middle}" y="${round(y + 31)}">${escaped(effect)}</text>`
  const dot = node.isInitial ? `<circle class="start" cx="${round(x)}" cy="${round(y)}" r="3.5"/>` : ''
  return `<g class="${classes.filter(Boolean).join(' ')}" data-state="${node.id}"><rect ${at}/>${name}${note}${dot}${own.join('')}</g>`
}

function ownEdge(edge: GraphEdge, x: number, y: number): string {
  const { lines, kind, title } = edgeWords(edge)
  const target = edge.to.split('.').at(-1) ?? ''
  return `<g class="edge own ${kind}" data-edge="${edge.id}"><title>${escaped(title)}</title><text class="label" x="${round(x)}" y="${round(y)}">${escaped(`${lines.join(', ')} → ${target}`)}</text></g>`
}

function arrow({ edge, points, words, label }: Arrow): string {
  const lines = words.lines.map(
    (line, index) =>
      `<tspan x="${round(label.x + label.width / 2)}" y="${round(label.y + 9.5 + index * labelHeight)}">${escaped(line)}</tspan>`,
  )
  const text = lines.length === 0 ? '' : `<text class="label">${lines.join('')}</text>`
  return `<g class="edge ${words.kind}" data-edge="${edge.id}"><title>${escaped(words.title)}</title><path class="line" d="${rounded(points)}"/><path class="head" d="${head(points)}"/>${text}</g>`
}

/** A way with its corners rounded. */
function rounded(points: readonly Point[]): string {
  const [first, ...rest] = points
  if (first === undefined) return ''
  const parts = [`M${round(first.x)} ${round(first.y)}`]
  let previous = first
  for (const [index, corner] of rest.entries()) {
    const next = rest[index + 1]
    if (next === undefined) parts.push(`L${round(corner.x)} ${round(corner.y)}`)
    else {
      const before = towards(corner, previous)
      const after = towards(corner, next)
      parts.push(
        `L${round(before.x)} ${round(before.y)}Q${round(corner.x)} ${round(corner.y)} ${round(after.x)} ${round(after.y)}`,
      )
    }
    previous = corner
  }
  return parts.join('')
}

const cornerRadius = 5

function towards(from: Point, to: Point): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y)
  const part = length === 0 ? 0 : Math.min(cornerRadius, length / 2) / length
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part }
}

function head(points: readonly Point[]): string {
  const tip = points.at(-1)
  const before = points.at(-2)
  if (tip === undefined || before === undefined) return ''
  const length = Math.hypot(tip.x - before.x, tip.y - before.y) || 1
  const [dx, dy] = [(tip.x - before.x) / length, (tip.y - before.y) / length]
  const base = { x: tip.x - dx * 7, y: tip.y - dy * 7 }
  const corner = (side: number): string =>
    `${round(base.x - dy * 3.5 * side)} ${round(base.y + dx * 3.5 * side)}`
  return `M${round(tip.x)} ${round(tip.y)}L${corner(1)}L${corner(-1)}Z`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
