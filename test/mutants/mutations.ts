/**
 * What can be changed in a source so that some test has to notice: every node of its syntax gives its changes.
 *
 * Deliberately not here: text that only people read (messages of errors and of the log), numbers, names, imports.
 */
import type { AnyNode, AssignmentProperty, CallExpression, Literal, Property } from 'acorn'

/** What takes the node's place; `undo` mutants leave the node out where `becomes` cannot say so. */
export interface Change {
  readonly becomes: string
  readonly kind: 'expression' | 'statement' | 'element' | 'property' | 'body'
}

/** A node and what is around it, the nearest first. */
export interface Place {
  readonly node: AnyNode
  readonly around: readonly AnyNode[]
  readonly textOf: (node: AnyNode) => string
  /** In a chart, every key that says what happens is a defect when it is missing. */
  readonly isChart: boolean
}

const comparisons: Readonly<Record<string, readonly string[]>> = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
}
const arithmetic: Readonly<Record<string, string>> = { '+': '-', '-': '+', '*': '/', '/': '*' }
const assignments = new Map<string, string>([
  ['+=', '-='],
  ['-=', '+='],
  ['??=', '='],
])
const methods = new Map([
  ['some', 'every'],
  ['every', 'some'],
  ['min', 'max'],
  ['max', 'min'],
])

/** Keys of a chart that hold others, or that no state works without. */
const chartFrame = new Set(['on', 'after', 'states', 'id', 'initial', 'type', 'src', 'input', 'params'])

export function changesOf(place: Place): readonly Change[] {
  const { node, around, textOf } = place
  const [parent] = around
  if (parent === undefined) return []
  const changes = [...asCondition(node, parent)]
  const become = (becomes: string): void => {
    changes.push({ becomes, kind: 'expression' })
  }
  if (node.type === 'BinaryExpression') {
    const [left, right] = [textOf(node.left), textOf(node.right)]
    for (const operator of comparisons[node.operator] ?? []) become(`${left} ${operator} ${right}`)
    const other = arithmetic[node.operator]
    if (other !== undefined && !isText(node.left) && !isText(node.right)) become(`${left} ${other} ${right}`)
  }
  if (node.type === 'LogicalExpression') {
    const [left, right] = [textOf(node.left), textOf(node.right)]
    if (node.operator === '??') changes.push(...[left, right].map((becomes) => asExpression(becomes)))
    else become(`(${left}) ${node.operator === '&&' ? '||' : '&&'} (${right})`)
  }
  if (node.type === 'UnaryExpression' && node.operator === '!') become(textOf(node.argument))
  if (node.type === 'AwaitExpression') become(textOf(node.argument))
  if (node.type === 'Literal' && !(place.isChart && typeof node.value === 'string')) {
    changes.push(...ofLiteral(node, parent))
  }
  if (node.type === 'ChainExpression') changes.push(...ofChain(node, textOf))
  if (node.type === 'CallExpression') changes.push(...ofCall(node, around, textOf))
  if (node.type === 'AssignmentExpression') {
    const operator = assignments.get(node.operator)
    if (operator !== undefined) become(`${textOf(node.left)} ${operator} ${textOf(node.right)}`)
  }
  // In a chart the key goes with all it holds.
  const isHeld = place.isChart && parent.type === 'Property' && !isKey(parent, 'verbs')
  if (node.type === 'ArrayExpression' && node.elements.length > 0 && !isHeld) become('[]')
  if (node.type === 'ExpressionStatement' && !/^(this\.#)?log(ger)?\./.test(textOf(node)))
    changes.push({ becomes: '', kind: 'statement' })
  if (node.type === 'BlockStatement' && isFunction(parent) && !parent.generator && node.body.length > 1) {
    if (!isDerivedConstructor(around)) changes.push({ becomes: '', kind: 'body' })
  }
  if (parent.type === 'ReturnStatement' && node.type !== 'Literal') become('undefined')
  if (place.isChart) changes.push(...ofChart(node, around))
  return changes.filter(({ becomes }) => becomes !== textOf(node))
}

function asExpression(becomes: string): Change {
  return { becomes, kind: 'expression' }
}

/** A condition that is always true, or never. A loop that never ends shows nothing, but that it never ends. */
function asCondition(node: AnyNode, parent: AnyNode): Change[] {
  if (parent.type === 'IfStatement' || parent.type === 'ConditionalExpression') {
    return parent.test === node ? [asExpression('true'), asExpression('false')] : []
  }
  if (parent.type === 'WhileStatement') return parent.test === node ? [asExpression('false')] : []
  const isAnswer =
    (parent.type === 'ArrowFunctionExpression' && parent.body === node) || parent.type === 'ReturnStatement'
  return isAnswer && isQuestion(node) ? [asExpression('true'), asExpression('false')] : []
}

/** It may be answered wrongly. */
function isQuestion(node: AnyNode): boolean {
  if (node.type === 'BinaryExpression') return comparisons[node.operator] !== undefined
  if (node.type === 'LogicalExpression') return node.operator !== '??'
  return node.type === 'UnaryExpression' && node.operator === '!'
}

function ofLiteral(node: Literal, parent: AnyNode): Change[] {
  const { value } = node
  if (typeof value === 'boolean') return [asExpression(String(!value))]
  if (typeof value !== 'string' || value === '') return []
  // The name of an action that does not exist is an error of its own, of XState.
  const isField = parent.type === 'Property' && parent.value === node && !isKey(parent, 'type')
  const isValue = parent.type === 'ReturnStatement' || parent.type === 'ConditionalExpression'
  return isField || isValue ? [asExpression(`''`)] : []
}

function ofChain(node: AnyNode & { type: 'ChainExpression' }, textOf: Place['textOf']): Change[] {
  const text = textOf(node)
  const changes: Change[] = []
  for (let link: AnyNode = node.expression; ;) {
    const inner: AnyNode | undefined =
      link.type === 'MemberExpression'
        ? link.object
        : link.type === 'CallExpression'
          ? link.callee
          : undefined
    if (inner === undefined) return changes
    if ((link.type === 'MemberExpression' || link.type === 'CallExpression') && link.optional) {
      const at = inner.end - node.start + text.slice(inner.end - node.start).indexOf('?.')
      const rest = text.slice(at + 2)
      changes.push(asExpression(`${text.slice(0, at)}${/^[([]/.test(rest) ? '' : '.'}${rest}`))
    }
    link = inner
  }
}

function ofCall(node: CallExpression, around: readonly AnyNode[], textOf: Place['textOf']): Change[] {
  const { callee } = node
  // Wrapped, a link of a chain would no longer be skipped with it.
  if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier' || isInChain(around))
    return []
  const { name } = callee.property
  if (name === 'filter' && around[0]?.type !== 'CallExpression') return [asExpression(textOf(callee.object))]
  const other = methods.get(name)
  if (other === undefined) return []
  const rest = textOf(node).slice(callee.end - node.start)
  return [asExpression(`${textOf(callee.object)}.${other}${rest}`)]
}

/** Without a guard, an action, a target, an edge. */
function ofChart(node: AnyNode, [parent, beyond]: readonly AnyNode[]): Change[] {
  if (node.type === 'Property' && parent?.type !== 'ObjectExpression') return []
  if (node.type === 'Property' && node.key.type === 'Identifier') {
    return chartFrame.has(node.key.name) || !isChartValue(node.value)
      ? []
      : [{ becomes: '', kind: 'property' }]
  }
  if (node.type === 'Property' && node.key.type === 'Literal') return [{ becomes: '', kind: 'property' }]
  const isOneOfMany = parent?.type === 'ArrayExpression' && parent.elements.length > 1
  const isListed = isOneOfMany && beyond?.type === 'Property' && !isKey(beyond, 'verbs')
  return isListed && node.type !== 'SpreadElement' ? [{ becomes: '', kind: 'element' }] : []
}

function isChartValue({ type }: AnyNode): boolean {
  return ['Literal', 'ArrayExpression', 'ObjectExpression', 'ArrowFunctionExpression', 'Identifier'].includes(
    type,
  )
}

function isKey({ key }: Property | AssignmentProperty, name: string): boolean {
  return key.type === 'Identifier' && key.name === name
}

function isText(node: AnyNode): boolean {
  return node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node.value === 'string')
}

function isInChain(around: readonly AnyNode[]): boolean {
  const outer = around.find(({ type }) => type !== 'MemberExpression' && type !== 'CallExpression')
  return outer?.type === 'ChainExpression'
}

export function isFunction(
  node: AnyNode,
): node is AnyNode & { type: 'FunctionDeclaration' | 'FunctionExpression' | 'ArrowFunctionExpression' } {
  return ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'].includes(node.type)
}

function isDerivedConstructor([, method]: readonly AnyNode[]): boolean {
  return method?.type === 'MethodDefinition' && method.kind === 'constructor'
}
