import { describe, expect, it } from 'vitest'
import { checkTerminalSize } from '../../../src/impl/attach-client/terminal-sizes.ts'

describe('the size of a terminal', () => {
  it.each([-1, 65_536, 1.5, Number.NaN, Infinity])('cannot be %s', (characters) => {
    expect(() => checkTerminalSize({ width: characters, height: 1 }, 'size')).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'size.width' }),
    )
    expect(() => checkTerminalSize({ width: 1, height: characters })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'height' }),
    )
  })

  it('may be anything that the kernel can hold', () => {
    expect(() => checkTerminalSize({ width: 0, height: 65_535 })).not.toThrow()
  })
})
