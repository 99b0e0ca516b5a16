/**
 * Rewrites one source file so that every `await` in it passes through the point functions of points.ts, and every file
 * operation through the fault layers: the product itself knows nothing of crash tests.
 *
 * A point is `file:function:ordinal`, the ordinal counted within the function, so that a name outlives edits elsewhere.
 * Lines stay where they are: stack traces of an instrumented run are those of the source.
 */
import { stripTypeScriptTypes } from 'node:module'
import { parse, type AnyNode, type AwaitExpression, type ForOfStatement, type ImportDeclaration } from 'acorn'
import { MagicString } from 'magic-string'

export interface Rewritten {
  readonly code: string
  readonly points: readonly string[]
}

/** What imports are replaced by, as module specifiers. */
export interface Substitutes {
  readonly points: string
  readonly modules: Readonly<Record<string, string>>
}

interface Walk {
  readonly file: string
  readonly text: MagicString
  readonly substitutes: Substitutes
  readonly points: string[]
  readonly ordinals: Map<string, number>
  readonly statementStarts: Set<number>
}

export function rewrite(source: string, file: string, substitutes: Substitutes): Rewritten {
  const plain = stripTypeScriptTypes(source, { mode: 'strip' })
  const text = new MagicString(plain)
  const program = parse(plain, { ecmaVersion: 'latest', sourceType: 'module' })
  const walk: Walk = { file, text, substitutes, points: [], ordinals: new Map(), statementStarts: new Set() }
  visit(program, 'module', undefined, walk)
  const header = `import{before as __before,after as __after}from${JSON.stringify(substitutes.points)};`
  // A shebang is none of ours: src has none.
  return { code: `${header}${text.toString()}`, points: walk.points }
}

function visit(node: AnyNode, within: string, parent: AnyNode | undefined, walk: Walk): void {
  const name = nameOf(node, parent, within)
  if (node.type === 'AwaitExpression') instrumentAwait(node, name, walk)
  if (node.type === 'ForOfStatement' && node.await) instrumentLoop(node, name, walk)
  if (node.type === 'ImportDeclaration') substitute(node, walk)
  if ((node.type === 'ExportNamedDeclaration' || node.type === 'ExportAllDeclaration') && node.source) {
    walk.text.update(node.source.start, node.source.end, quoted(asScript(String(node.source.value))))
  }
  for (const child of childrenOf(node)) {
    if (child.type === 'ExpressionStatement' && isList(node)) walk.statementStarts.add(child.start)
    visit(child, name, node, walk)
  }
}

/**
 * `await X` → `(__before(p), __after(p, await X))`: not one turn of the event loop more than before. Where it begins a
 * statement, a semicolon keeps the line before it from being called.
 */
function instrumentAwait(node: AwaitExpression, within: string, walk: Walk): void {
  const point = quoted(newPoint(within, walk))
  const begins = walk.statementStarts.has(node.start)
  walk.text.appendRight(node.start, `${begins ? ';' : ''}(__before(${point}),__after(${point},`)
  walk.text.appendLeft(node.end, '))')
}

/** Each round of `for await` has awaited something. */
function instrumentLoop({ body }: ForOfStatement, within: string, walk: Walk): void {
  walk.text.appendLeft(body.start, `{__after(${quoted(newPoint(within, walk))});`)
  walk.text.appendRight(body.end, '}')
}

function newPoint(within: string, { file, ordinals, points }: Walk): string {
  const place = `${file}:${within}`
  const ordinal = (ordinals.get(place) ?? 0) + 1
  ordinals.set(place, ordinal)
  const point = `${place}:${ordinal}`
  points.push(point)
  return point
}

function substitute({ source }: ImportDeclaration, { text, substitutes }: Walk): void {
  const specifier = String(source.value)
  text.update(source.start, source.end, quoted(substitutes.modules[specifier] ?? asScript(specifier)))
}

function asScript(specifier: string): string {
  return specifier.startsWith('.') ? specifier.replace(/\.ts$/, '.js') : specifier
}

/** Functions are called by what they are bound to; those without a name belong to the one around them. */
function nameOf(node: AnyNode, parent: AnyNode | undefined, within: string): string {
  if (node.type === 'FunctionDeclaration') return node.id?.name ?? within
  if (!isFunction(node)) return within
  if (
    parent?.type === 'MethodDefinition' ||
    parent?.type === 'Property' ||
    parent?.type === 'PropertyDefinition'
  ) {
    return parent.key.type === 'Identifier' || parent.key.type === 'PrivateIdentifier'
      ? parent.key.name
      : within
  }
  if (parent?.type === 'VariableDeclarator' && parent.id.type === 'Identifier') return parent.id.name
  return within
}

function isFunction({ type }: AnyNode): boolean {
  return type === 'FunctionExpression' || type === 'ArrowFunctionExpression'
}

function isList({ type }: AnyNode): boolean {
  return type === 'Program' || type === 'BlockStatement' || type === 'SwitchCase' || type === 'StaticBlock'
}

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node).flatMap((value: unknown) =>
    Array.isArray(value) ? value.filter((one) => isNode(one)) : isNode(value) ? [value] : [],
  )
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
