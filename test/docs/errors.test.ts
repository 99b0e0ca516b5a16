/** docs/errors.md against the list of codes. */
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../src/errors/index.ts'
import { readDocument } from './markdown.ts'

const rows = readDocument('docs/errors.md')
  .split('\n')
  .filter((line) => line.startsWith('| `ERR_'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )

describe('docs/errors.md', () => {
  it('has each code exactly once, and no other', () => {
    expect(rows.map(([code = '']) => code.replaceAll('`', '')).toSorted()).toEqual(errorCodes.toSorted())
  })

  it('says of each when, and what to do', () => {
    expect(rows.filter((cells) => cells.length !== 3 || cells.includes(''))).toEqual([])
  })
})
