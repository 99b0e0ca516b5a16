/** Where the boxes and arrows of a graph go. elkjs decides; it is slow, so this runs when the package is built. */
import elkjs, { type ElkExtendedEdge, type ElkNode } from 'elkjs/lib/elk.bundled.js'
import { startsAtParent, type GraphEdge, type GraphNode } from './graph.ts'
import { edgeWords, effectText, labelHeight, nameWidth, noteWidth, type EdgeWords } from './words.ts'

export interface Box {
  readonly node: GraphNode
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly depth: number
}

export interface Arrow {
  readonly edge: GraphEdge
  readonly points: readonly Point[]
  readonly words: EdgeWords
  /** Top left of its label. */
  readonly label: Point & { readonly width: number }
}

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Drawing {
  readonly width: number
  readonly height: number
  readonly boxes: readonly Box[]
  readonly arrows: readonly Arrow[]
}

const layered = {
  'elk.algorithm': 'layered',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
  'elk.layered.spacing.nodeNodeBetweenLayers': '26',
  'elk.layered.spacing.edgeNodeBetweenLayers': '12',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '9',
  'elk.spacing.nodeNode': '22',
  'elk.spacing.edgeNode': '12',
  'elk.spacing.edgeEdge': '9',
  'elk.spacing.edgeLabel': '3',
  // Boxes without arrows between them stand one below the other.
  'elk.aspectRatio': '0.4',
  'elk.layered.edgeLabels.sideSelection': 'SMART_DOWN',
}

/** Children from which on a box is tall. */
const largeFrom = 6

/** Lays out everything within the root. */
export async function layOut(root: GraphNode): Promise<Drawing> {
  const laid = await new elkjs.default().layout(elkNode(root, 0))
  const nodes = new Map(flatten(root).map((node) => [node.id, node]))
  const boxes: Box[] = []
  const arrows: Arrow[] = []
  const visit = (elk: ElkNode, x: number, y: number, depth: number): void => {
    const node = nodes.get(elk.id)
    if (node === undefined) return
    const { width = 0, height = 0 } = elk
    if (depth > 0) boxes.push({ node, x, y, width, height, depth })
    const edges = new Map(node.edges.map((edge) => [edge.id, edge]))
    for (const laidEdge of elk.edges ?? []) {
      const edge = edges.get(laidEdge.id)
      if (edge !== undefined) arrows.push(arrowOf(edge, laidEdge, { x, y }))
    }
    for (const child of elk.children ?? []) visit(child, x + (child.x ?? 0), y + (child.y ?? 0), depth + 1)
  }
  visit(laid, 0, 0, 0)
  return { width: laid.width ?? 0, height: laid.height ?? 0, boxes, arrows }
}

function flatten(node: GraphNode): GraphNode[] {
  return [node, ...node.children.flatMap(flatten)]
}

function elkNode(node: GraphNode, depth: number): ElkNode {
  const effect = effectText(node)
  if (node.children.length === 0) {
    const width = Math.max(nameWidth(node.name), effect === undefined ? 0 : noteWidth(effect)) + 22
    return { id: node.id, width: Math.max(width, 64), height: effect === undefined ? 28 : 40 }
  }
  return {
    id: node.id,
    layoutOptions: {
      ...layered,
      // Tall rather than wide: a page scrolls down. The small machines within it lie flat.
      'elk.direction': isLarge(node) ? 'DOWN' : 'RIGHT',
      'elk.padding':
        depth === 0 ? '[top=10,left=10,bottom=10,right=10]' : '[top=30,left=14,bottom=14,right=14]',
    },
    children: node.children.map((child) => elkNode(child, depth + 1)),
    edges: node.edges.filter((edge) => !startsAtParent(node, edge)).map(elkEdge),
  }
}

function isLarge({ children, type }: GraphNode): boolean {
  return type === 'parallel' || children.length > largeFrom
}

function elkEdge(edge: GraphEdge): ElkExtendedEdge {
  const words = edgeWords(edge)
  return {
    id: edge.id,
    sources: [edge.from],
    targets: [edge.to],
    labels:
      words.lines.length === 0
        ? []
        : [{ text: words.lines.join('\n'), width: words.width, height: words.lines.length * labelHeight }],
  }
}

function arrowOf(edge: GraphEdge, { sections = [], labels = [] }: ElkExtendedEdge, origin: Point): Arrow {
  const moved = ({ x, y }: Point): Point => ({ x: x + origin.x, y: y + origin.y })
  const points = sections.flatMap(({ startPoint, bendPoints = [], endPoint }) => [
    moved(startPoint),
    ...bendPoints.map(moved),
    moved(endPoint),
  ])
  const { x = 0, y = 0, width = 0 } = labels[0] ?? {}
  return { edge, points, words: edgeWords(edge), label: { ...moved({ x, y }), width } }
}
