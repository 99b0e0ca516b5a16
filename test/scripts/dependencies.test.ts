/** scripts/dependencies-are-current.mjs: what `npm test` and `npm run demo` believe of node_modules. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeTempRoot } from '../support/temp-root.ts'

const script = join(import.meta.dirname, '../../scripts/dependencies-are-current.mjs')
const here = { os: [process.platform], cpu: [process.arch] }
const native = { version: '1.0.0', optional: true, ...here }
const [libc, otherLibc] = /"glibcVersionRuntime"/.test(JSON.stringify(process.report.getReport()))
  ? ['glibc', 'musl']
  : ['musl', 'glibc']

function areCurrent(
  wanted: Readonly<Record<string, object>>,
  installed?: Readonly<Record<string, object>>,
): boolean {
  const directory = makeTempRoot()
  const write = (name: string, packages: object): void =>
    writeFileSync(join(directory, name), JSON.stringify({ packages }))
  write('package-lock.json', { '': {}, ...wanted })
  mkdirSync(join(directory, 'node_modules'))
  if (installed !== undefined) write('node_modules/.package-lock.json', installed)
  return spawnSync(process.execPath, [script], { cwd: directory }).status === 0
}

it('dependencies are current when every one is there in its version', () => {
  const wanted = { a: { version: '1.0.0' }, native }
  expect(areCurrent(wanted, wanted)).toBe(true)
})

it.each([
  ['of another system', { ...native, os: ['no-such-system'] }],
  ['of another processor', { ...native, cpu: ['no-such-processor'] }],
  ['of another C library', { ...native, libc: [otherLibc] }],
  ['that only those of other platforms need', { version: '1.0.0', optional: true }],
])('they are current without an optional one %s', (_, optional) => {
  expect(areCurrent({ optional }, {})).toBe(true)
})

it.each([
  ['node_modules is not there', undefined],
  ['one is missing', {}],
  ['one has another version', { a: { version: '1.0.1' } }],
])('they are not when %s', (_, installed) => {
  expect(areCurrent({ a: { version: '1.0.0' } }, installed)).toBe(false)
})

// Debian 12's npm, on its Node 18, left out what vitest needs, and vitest could not start.
it.each([
  ['', native],
  [', which names its C library', { ...native, libc: [libc] }],
])('they are not when npm left out an optional one of this very platform%s', (_, missing) => {
  expect(areCurrent({ missing }, {})).toBe(false)
})
