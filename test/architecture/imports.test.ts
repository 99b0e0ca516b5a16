import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importTable } from './import-table.ts'
import { importsOf, violationsOf } from './imports.ts'

const src = join(import.meta.dirname, '..', '..', 'src')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))

describe('the source', () => {
  it('imports only what the table allows', () => {
    expect(files.length).toBeGreaterThan(10)
    const violations = files.flatMap((path) =>
      violationsOf(path, readFileSync(join(src, path), 'utf8'), importTable),
    )
    expect(violations).toEqual([])
  })

  // With an argument, that is: a local `process` of another kind has a `kill()` of its own.
  it('calls process.kill in one file only', () => {
    const callers = files.filter((path) => {
      const code = readFileSync(join(src, path), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gmu, '')
      return /\bprocess\.kill\([^)]/u.test(code)
    })
    expect(callers).toEqual(['impl/process-identity.ts'])
  })
})

describe('violationsOf', () => {
  it.each([
    ['machines/a.ts', `import { x } from '../actors/b.ts'`, `may not import '../actors/b.ts'`],
    ['machines/a.ts', `import { readFile } from 'node:fs/promises'`, `may not import 'node:fs/promises'`],
    ['machines/a.ts', `import 'rxjs'`, `may not import 'rxjs'`],
    [
      'impl/oci/a.ts',
      `import {\n  x,\n  y,\n} from '../../machines/b.ts'`,
      `may not import '../../machines/b.ts'`,
    ],
    ['impl/oci/a.ts', `import { spawn } from 'node:child_process'`, `may not import 'node:child_process'`],
    [
      'impl/sim/a.ts',
      `import { x } from '../process-identity.ts'`,
      `may not import '../process-identity.ts'`,
    ],
    ['impl/runtime-impl.ts', `import { Observable } from 'rxjs'`, `may not import 'rxjs'`],
    ['observe/a.ts', `export * from '../actors/b.ts'`, `may not import '../actors/b.ts'`],
    ['store/a.ts', `const b = await import('../config/b.ts')`, `may not import '../config/b.ts'`],
    ['store/a.ts', `export type { B } from '../impl/b.ts'`, `may not import type '../impl/b.ts'`],
    ['actors/a.ts', `import { Runtime } from '../runtime.ts'`, `may not import '../runtime.ts'`],
    ['testing.ts', `import { Runtime } from './runtime.ts'`, `may not import './runtime.ts'`],
    ['errors/a.ts', `import { z } from 'zod'`, `may not import 'zod'`],
    ['helpers/a.ts', ``, `has no row`],
  ])('names the file and the import: %s with %s', (path, source, message) => {
    expect(violationsOf(path, source, importTable)).toEqual([expect.stringContaining(message)])
    expect(violationsOf(path, source, importTable)[0]).toContain(`src/${path}`)
  })

  it.each([
    ['machines/a.ts', `import { x } from './b.ts'`],
    ['machines/a.ts', `import { setup } from 'xstate'\nimport { OciError } from '../errors/index.ts'`],
    ['impl/runtime-impl.ts', `import type { Observable } from 'rxjs'`],
    ['impl/launcher/main.ts', `import { execa } from 'execa'\nimport { x } from '../process-identity.ts'`],
    ['observe/a.ts', `import type { X } from '../actors/b.ts'`],
    ['actors/a.ts', `import type { RuntimeImpl } from '../impl/runtime-impl.ts'`],
    ['index.ts', `export { Runtime } from './runtime.ts'`],
    ['errors/a.ts', `/**\n * import { z } from 'zod'\n */\n// import 'zod'`],
  ])('has nothing to say about %s with %s', (path, source) => {
    expect(violationsOf(path, source, importTable)).toEqual([])
  })
})

describe('importsOf', () => {
  it('does not take an export for the start of a later import', () => {
    const source = `export interface A {}\nexport const from = 1\nexport { b } from './b.ts'\n`
    expect(importsOf(source)).toEqual([{ specifier: './b.ts', isTypeOnly: false }])
  })
})
