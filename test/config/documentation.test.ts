import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/index.ts'
import { handlerSettings, settings } from '../../src/config/settings.ts'
import { handlerTable, ownTable, runtimeTable } from '../../src/config/toml-schema.ts'

const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
const example = /```toml\n(.*?)```/s.exec(text)?.[1] ?? ''

describe('docs/configuration.md', () => {
  it('has an example that is valid, without a warning', () => {
    const config = parseConfig(example, 'docs/configuration.md')
    expect(config.warnings).toEqual([])
    expect(Object.keys(config.runtimes)).toEqual(['crun', 'crun-long', 'kata', 'shim-crun'])
    expect(config.runtimes['crun-long']).toMatchObject({
      runtimePath: '/usr/bin/crun',
      containerCreateTimeoutMs: 600_000,
    })
  })

  it('describes every key that is read, in both spellings, and no other', () => {
    const rows = [...text.matchAll(/^\| `(\w+)` +\| `(\w+)` +\|/gm)]
    const toml = [runtimeTable, handlerTable, ownTable].flatMap((table) => Object.keys(table.shape))
    const javascript = [settings, handlerSettings].flatMap((object) => Object.keys(object.shape))
    expect(rows).toHaveLength(toml.length)
    expect(new Set(rows.map((row) => row[1]))).toEqual(new Set(toml))
    expect(new Set(rows.map((row) => row[2]))).toEqual(new Set(javascript))
  })

  it('shows every key in the example', () => {
    const keys = Object.keys({ ...ownTable.shape, ...runtimeTable.shape, ...handlerTable.shape })
    const absent = keys.filter((key) => !new RegExp(`^${key} = `, 'm').test(example))
    expect(absent).toEqual(['runtimes'])
  })
})
