import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { anchorsOf, documents, project, readDocument, withoutCode } from './markdown.ts'

const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readDocument('package.json')))

/** Targets of the links of a document, without those to other sites. */
function relativeLinks(path: string): readonly string[] {
  const links = [...withoutLinkText(readDocument(path)).matchAll(/\]\(([^)\s]+)\)/g)]
  return links.map(([, target = '']) => target).filter((target) => !/^[a-z]+:/.test(target))
}

/** The text of a link may be code, its target never is. */
function withoutLinkText(text: string): string {
  return withoutCode(text.replaceAll(/\[`([^`\]]*)`\]/g, '[$1]'))
}

function isBroken(from: string, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? from : join(dirname(from), path)
  if (!existsSync(join(project, file))) return true
  return anchor !== undefined && !anchorsOf(readDocument(file)).has(anchor)
}

function isIn(names: readonly string[], path: string): boolean {
  return names.some((name) => path === name || path.startsWith(`${name}/`))
}

describe.each(documents)('%s', (path) => {
  it('has no link that leads nowhere', () => {
    expect(relativeLinks(path).filter((target) => isBroken(path, target))).toEqual([])
  })

  it('names only npm scripts that there are', () => {
    const named = [...readDocument(path).matchAll(/npm run (?:--silent )?([a-z][\w:-]*)/g)]
    expect(named.map(([, name = '']) => name).filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
  })

  it('names only files of the project that there are', () => {
    const named = [...readDocument(path).matchAll(/`((?:src|test|scripts|docs|examples)\/[\w./-]+)`/g)]
    expect(named.map(([, name = '']) => name).filter((name) => !existsSync(join(project, name)))).toEqual([])
  })
})

describe('the checks', () => {
  it('see links and anchors that lead nowhere', () => {
    expect(isBroken('README.md', 'docs/no-such.md')).toBe(true)
    expect(isBroken('README.md', '#no-such-heading')).toBe(true)
    expect(isBroken('README.md', 'docs/testing.md#time')).toBe(false)
  })

  it('find the links of the README', () => {
    expect(relativeLinks('README.md')).toEqual(
      expect.arrayContaining(['#limits', 'docs/testing.md', 'LICENSE', 'docs/errors.md']),
    )
  })

  it('make the anchors that GitHub makes', () => {
    expect(anchorsOf('# A `b`: c, d\n## Time\n## Time\n')).toEqual(new Set(['a-b-c-d', 'time', 'time-1']))
  })
})

describe('the decision records', () => {
  const records = documents.filter((path) => path.startsWith('docs/adr/'))

  it('have at most 40 lines', () => {
    expect(records.length).toBeGreaterThan(0)
    expect(records.filter((path) => readDocument(path).trimEnd().split('\n').length > 40)).toEqual([])
  })

  it('are numbered in file name and heading, each number once and none left out', () => {
    const inNames = records.map((path) => Number(/\/(\d{4})-/.exec(path)?.[1]))
    const inHeadings = records.map((path) => Number(/^# (\d+)\. /.exec(readDocument(path))?.[1]))
    expect(inHeadings).toEqual(inNames)
    expect(inNames.toSorted((a, b) => a - b)).toEqual(records.map((_path, index) => index + 1))
  })
})

describe('the documents that are published', () => {
  const { files } = z.object({ files: z.array(z.string()) }).parse(JSON.parse(readDocument('package.json')))
  const left = files.filter((name) => name.startsWith('!')).map((name) => name.slice(1))

  function isPublished(path: string): boolean {
    return isIn(files, path) && !isIn(left, path)
  }

  // What a script writes says where its links lead by their text, the paths of sources.
  const written = documents.filter((path) => isPublished(path) && path !== 'docs/container-machine.md')

  it.each(written)('%s says so where it leads out of the package', (path) => {
    const targets = relativeLinks(path).map((target) => target.replace(/#.*/, ''))
    const leadsOut = targets.some((target) => target !== '' && !isPublished(join(dirname(path), target)))
    expect(leadsOut && !/\bin the\s+repository\b/.test(readDocument(path))).toBe(false)
  })
})
