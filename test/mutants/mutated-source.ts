/**
 * One source with all its mutants in it, each behind a question whether it is the one that is switched on: so a process
 * that has loaded it tries them one after the other.
 */
import { stripTypeScriptTypes } from 'node:module'
import { parse, type AnyNode } from 'acorn'
import { changesOf, isFunction, type Change } from './mutations.ts'

export interface Mutant {
  readonly file: string
  readonly line: number
  /** The function that it is in. */
  readonly within: string
  /** What was changed, `before → after`: with `within` and the file its name, whatever else changes in the file. */
  readonly change: string
}

export interface MutatedSource {
  readonly code: string
  readonly mutants: readonly Mutant[]
}

const textMax = 110

/** `first` is the number of the first mutant. `switchModule` exports `isOn(number)`. */
export function mutate(source: string, file: string, first: number, switchModule: string): MutatedSource {
  const plain = stripTypeScriptTypes(source, { mode: 'strip' })
  const program = parse(plain, { ecmaVersion: 'latest', sourceType: 'module', locations: true })
  const mutants: Mutant[] = []
  const seen = new Map<string, number>()
  const textOf = (node: AnyNode): string => plain.slice(node.start, node.end)

  const register = (node: AnyNode, change: Change, around: readonly AnyNode[]): number => {
    const within = functionAround([node, ...around])
    const after = change.kind === 'body' ? '{}' : change.becomes === '' ? 'nothing' : change.becomes
    const plainly = `${shortened(textOf(node))} → ${shortened(after)}`
    const nth = (seen.get(`${within} ${plainly}`) ?? 0) + 1
    seen.set(`${within} ${plainly}`, nth)
    mutants.push({
      file,
      line: node.loc?.start.line ?? 0,
      within,
      change: nth === 1 ? plainly : `${plainly} (${nth})`,
    })
    return first + mutants.length - 1
  }

  const render = (node: AnyNode, around: readonly AnyNode[], isChart: boolean): string => {
    const chart = isChart || isChartDefinition(node, file)
    const changes = isMutable(node, around) ? changesOf({ node, around, textOf, isChart: chart }) : []
    const numbered = changes.map((change) => ({ change, number: register(node, change, around) }))
    let text = ''
    let at = node.start
    for (const child of childrenOf(node)) {
      text += plain.slice(at, child.start) + render(child, [node, ...around], chart)
      at = child.end
    }
    text += plain.slice(at, node.end)
    for (const { change, number } of numbered.toReversed()) text = switched(text, change, number)
    // Sources have no semicolons: what begins with a parenthesis would call the line before it.
    const isListed = ['Program', 'BlockStatement', 'SwitchCase'].includes(around[0]?.type ?? '')
    return node.type === 'ExpressionStatement' && isListed ? `;${text}` : text
  }
  const code = render(program, [], false)
  return { code: `import{isOn as __isOn}from${JSON.stringify(switchModule)};${code}`, mutants }
}

function switched(text: string, { becomes, kind }: Change, number: number): string {
  if (kind === 'statement') return `{if(!__isOn(${number})){${text}}}`
  if (kind === 'body') return `{if(__isOn(${number}))return;${text.slice(1)}`
  if (kind === 'property') return `...(__isOn(${number})?{}:{${text}})`
  if (kind === 'element') return `...(__isOn(${number})?[]:[${text}])`
  return `(__isOn(${number})?(${becomes}):(${text}))`
}

/** The files of `src/machines` that say what the states are. */
function isChartDefinition(node: AnyNode, file: string): boolean {
  return node.type === 'VariableDeclaration' && /container\.(live|machine)\.ts$/.test(file)
}

/** What is assigned to cannot be another thing. */
function isMutable(node: AnyNode, [parent]: readonly AnyNode[]): boolean {
  return parent?.type !== 'AssignmentExpression' || parent.left !== node
}

function childrenOf(node: AnyNode): AnyNode[] {
  if (node.type === 'ImportDeclaration' || node.type === 'ExportSpecifier') return []
  if (node.type === 'Property' && node.shorthand)
    return [node.value].filter((one) => one.type === 'AssignmentPattern')
  const children = Object.values(node).flatMap((value: unknown) =>
    Array.isArray(value) ? value.filter((one) => isNode(one)) : isNode(value) ? [value] : [],
  )
  return children.toSorted((a, b) => a.start - b.start)
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

function functionAround(around: readonly AnyNode[]): string {
  for (const [index, node] of around.entries()) {
    const holder = around[index + 1]
    if (node.type === 'FunctionDeclaration' || node.type === 'ClassDeclaration')
      return node.id?.name ?? 'module'
    if (isFunction(node) || holder?.type === 'VariableDeclarator') {
      const isNamed =
        holder?.type === 'MethodDefinition' ||
        holder?.type === 'Property' ||
        holder?.type === 'PropertyDefinition'
      if (isNamed && (holder.key.type === 'Identifier' || holder.key.type === 'PrivateIdentifier'))
        return holder.key.name
      if (holder?.type === 'VariableDeclarator' && holder.id.type === 'Identifier') return holder.id.name
    }
  }
  return 'module'
}

function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length <= textMax ? line : `${line.slice(0, textMax - 40)} … ${line.slice(-36)}`
}
