/** The project's documents, and what tests want from them: links, anchors, blocks of code. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const project = join(import.meta.dirname, '..', '..')

/** Paths of all documents, from the project's directory. */
export const documents: readonly string[] = [
  ...readdirSync(project).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(project, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

export function readDocument(path: string): string {
  return readFileSync(join(project, path), 'utf8')
}

export interface CodeBlock {
  readonly language: string
  readonly code: string
}

/** The blocks of code of a text, in their order. */
export function codeBlocks(text: string): readonly CodeBlock[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', code = '']) => ({
    language,
    code,
  }))
}

/** The text below a heading, up to the next heading. Throws when there is none of that name. */
export function section(text: string, heading: string): string {
  const [, ...sections] = text.split(/^(?=#+ )/m)
  const found = sections.find((part) => part.replace(/^#+ /, '').startsWith(`${heading}\n`))
  if (found === undefined) throw new Error(`no heading "${heading}"`)
  return found
}

export function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '')
}

/** The anchors that GitHub gives to the headings of a text. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#{1,6} (.+)$/gm)]
  const seen = new Map<string, number>()
  const anchors = headings.map(([, heading = '']) => {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
    const count = seen.get(anchor) ?? 0
    seen.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  })
  return new Set(anchors)
}
