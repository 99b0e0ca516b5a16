import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { errorCodes } from '../../src/errors/codes.ts'
import { readRuntimeWords } from '../../src/errors/runtime-wording.ts'

const fixture = z.object({
  program: z.string(),
  samples: z.array(
    z.object({
      situation: z.string(),
      stderr: z.string(),
      code: z.enum(errorCodes).nullable(),
      field: z.string().optional(),
    }),
  ),
})

/** What the programs really said, with temporary paths replaced. */
describe.each(['crun', 'runc', 'conmon', 'shim'])('the words of %s', (name) => {
  const file = join(import.meta.dirname, 'fixtures', `${name}.json`)
  const { samples } = fixture.parse(JSON.parse(readFileSync(file, 'utf8')))

  it.each(samples)('mean $code in the situation $situation', ({ stderr, code, field }) => {
    const words = readRuntimeWords(stderr)
    expect(words.code ?? null).toBe(code)
    expect(words.field).toBe(field)
    expect(words.message).not.toBe('')
    expect(words.message).not.toMatch(/^time=|level=|\[conmon:|\n$/)
  })
})

describe('the words of a runtime', () => {
  it('are unquoted from a log line and warnings left out beside an error', () => {
    const text = [
      'time="2026-01-01T00:00:00Z" level=warning msg="cgroup is odd"',
      'time="2026-01-01T00:00:00Z" level=error msg="exec: \\"/x y\\": permission denied"',
      '',
    ].join('\n')
    expect(readRuntimeWords(text)).toEqual({
      code: 'ERR_COMMAND_NOT_EXECUTABLE',
      message: 'exec: "/x y": permission denied',
    })
  })

  it('are kept when there is nothing worse than a warning', () => {
    const text = 'time="2026-01-01T00:00:00Z" level=warning msg="cgroup is odd"'
    expect(readRuntimeWords(text).message).toBe('cgroup is odd')
  })

  it('are taken from JSON lines too', () => {
    const text = '{"level":"error","msg":"container does not exist","time":"2026-01-01T00:00:00Z"}\n'
    expect(readRuntimeWords(text)).toEqual({
      code: 'ERR_UNKNOWN_TO_RUNTIME',
      message: 'container does not exist',
    })
  })

  it('lose the time that some versions begin with', () => {
    const text = '2026-01-01T00:00:00.000123Z: the container `x` is not running\n'
    expect(readRuntimeWords(text)).toEqual({
      code: 'ERR_NOT_RUNNING',
      message: 'the container `x` is not running',
    })
  })

  it('are no absence when another file than the status is missing', () => {
    const text = 'error opening file `/run/crun/x/config.json`: No such file or directory'
    expect(readRuntimeWords(text).code).toBeUndefined()
  })

  it('are no absence when the status cannot be read', () => {
    const text = 'error opening file `/run/crun/x/status`: Permission denied'
    expect(readRuntimeWords(text).code).toBeUndefined()
  })

  it('may be none', () => {
    expect(readRuntimeWords('\n')).toEqual({ code: undefined, message: '' })
  })

  it('stay as they are when they only look like a log line', () => {
    expect(readRuntimeWords('time="x" level=error msg="\\x41 bad"').message).toBe('\\x41 bad')
    expect(readRuntimeWords('{"level":').message).toBe('{"level":')
  })
})
