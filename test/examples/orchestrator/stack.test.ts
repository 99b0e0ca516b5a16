import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CannotBegin } from '../../../examples/orchestrator/cannot-begin.ts'
import { readStack } from '../../../examples/orchestrator/stack.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

const path = join(makeTempRoot(), 'stack.toml')

async function read(...tables: string[]) {
  writeFileSync(path, tables.map((table) => `[[container]]\n${table}\n`).join('\n'))
  return readStack(path)
}

const job = `name = "job"\nargs = ["true"]\nexpect = { exit = 0 }`

describe('a stack', () => {
  it('has a container per table, with what is left out filled in', async () => {
    expect(await read(job)).toEqual([
      {
        name: 'job',
        args: ['true'],
        memoryLimitBytes: undefined,
        pauseForMs: undefined,
        stopAfterMs: undefined,
        graceSeconds: 10,
        expect: { kind: 'exit', code: 0 },
      },
    ])
  })

  it.each([
    ['4096', 4096],
    ['"16 KiB"', 16_384],
    ['"20MiB"', 20_971_520],
    ['"1 GiB"', 1_073_741_824],
  ])('takes a memory limit of %s', async (limit, memoryLimitBytes) => {
    expect(await read(`${job}\nmemory_limit = ${limit}`)).toMatchObject([{ memoryLimitBytes }])
  })

  it.each([
    ['{ exit = 3 }', { kind: 'exit', code: 3 }],
    ['{ signal = "SIGKILL" }', { kind: 'signal', name: 'KILL' }],
    ['{ create_error = "ERR_COMMAND_NOT_FOUND" }', { kind: 'createError', code: 'ERR_COMMAND_NOT_FOUND' }],
    ['{ oom = true }', { kind: 'oom' }],
  ])('expects %s', async (written, expected) => {
    expect(await read(`name = "job"\nargs = ["true"]\nexpect = ${written}`)).toMatchObject([
      { expect: expected },
    ])
  })
})

/** The message without the file's name, with which all begin. */
async function refusal(...tables: string[]): Promise<string> {
  const error: unknown = await read(...tables).catch((reason: unknown) => reason)
  const message = error instanceof CannotBegin ? error.message : ''
  expect(message.slice(0, path.length + 2)).toBe(`${path}: `)
  return message.slice(path.length + 2)
}

describe('a stack is refused, with the key that is wrong,', () => {
  it.each([
    ['grace_seconds = "soon"', 'container[0].grace_seconds must be a number of seconds, 0 or more'],
    ['grace_seconds = -1', 'container[0].grace_seconds must be a number of seconds, 0 or more'],
    ['grace_second = 1', 'container[0].grace_second is not a key of the stack file'],
    [
      'stop_after_ms = 1.5',
      'container[0].stop_after_ms must be a whole number of milliseconds from 0 to 3600000',
    ],
    [
      'memory_limit = "20 MB"',
      'container[0].memory_limit must be a whole number of bytes, or a text such as "20 MiB"',
    ],
  ])('%s', async (line, message) => {
    expect(await refusal(`${job}\n${line}`)).toBe(message)
  })

  const expectRule = 'container[0].expect must be a table with exactly one of exit, signal, create_error, oom'
  it.each([
    ['{}', expectRule],
    ['{ exit = 0, oom = true }', expectRule],
    ['{ exit = 256 }', 'container[0].expect.exit must be an exit code from 0 to 255'],
    ['{ signal = "KILLED" }', 'container[0].expect.signal must be the name of a signal'],
    [
      '{ create_error = "ENOENT" }',
      'container[0].expect.create_error must be one of the codes of the library, as ERR_COMMAND_NOT_FOUND',
    ],
    ['{ oom = false }', 'container[0].expect.oom must be true'],
  ])('expect = %s', async (written, message) => {
    expect(await refusal(`name = "job"\nargs = ["true"]\nexpect = ${written}`)).toBe(message)
  })

  it('for every key at once', async () => {
    expect(await refusal(job, 'name = "a b"\nargs = []\nexpect = { exit = 0 }')).toMatch(
      /^container\[1\]\.name .*; container\[1\]\.args /,
    )
  })

  it('for a name that is taken', async () => {
    expect(await refusal(job, job)).toBe('container[1].name must be unique; "job" is taken')
  })

  it('without a container', async () => {
    expect(await refusal()).toBe('container must be a list of tables: [[container]]')
  })

  it('when it is not TOML', async () => {
    expect(await refusal('name = ')).toMatch(/^not valid TOML at line [23]$/)
    expect(await refusal('name = "a"\nname = "b"')).toMatch(/^not valid TOML at line 3$/)
  })
})
