/** What the source may not do because of where embedders run it: in worker threads, in other realms. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const src = join(import.meta.dirname, '..', '..', 'src')
/** Programs of their own in the main thread; the page lives in a browser. */
const elsewhere = [
  'impl/attach-bridge/main.ts',
  'impl/launcher/main.ts',
  'impl/launcher/spawn-monitor.ts',
  'inspect/page/',
]
const code = new Map(
  readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.tsx?$/u.test(path) && !elsewhere.some((place) => path.startsWith(place)))
    .map((path) => [
      path,
      readFileSync(join(src, path), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|(?<![:'"])\/\/.*$/gmu, ''),
    ]),
)

function found(pattern: RegExp): string[] {
  return [...code].flatMap(([path, text]) =>
    [...text.matchAll(pattern)].map(([match]) => `src/${path}: ${match}`),
  )
}

describe('the source', () => {
  it('gives a Socket no descriptor that a worker thread would close once more at its end', () => {
    const owned = found(/\bnew Socket\(\{\s*fd\b[^,}]*/gu)
    expect(owned.length).toBeGreaterThan(5)
    expect(owned.filter((match) => !/\btake(?:Early)?\(\)|untracked/iu.test(match))).toEqual([])
  })

  // Its own classes, and those that it imports, are the same wherever a value comes from.
  it('asks no value whether it is an instance of a built-in class, of which every realm has its own', () => {
    const asked = found(/\binstanceof\s+[A-Z]\w*/gu)
    const builtIn = new Set(Object.getOwnPropertyNames(globalThis))
    expect(asked.length).toBeGreaterThan(3)
    expect(asked.filter((match) => builtIn.has(match.split(/\s/u).at(-1) ?? ''))).toEqual([])
  })

  it('recognises its own errors by their brand, which those of another copy of it have as well', () => {
    expect(found(/\binstanceof\s+OciError\b/gu)).toEqual([])
  })
})
