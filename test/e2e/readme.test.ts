import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { codeBlocks, project, readDocument, section } from '../docs/markdown.ts'
import { runProgram } from '../docs/program.ts'
import { leaksThatStay, takeSnapshot } from '../support/leaks.ts'
import { makeTempRoot } from '../support/temp-root.ts'

it("the README's program runs a real container, prints what is printed below it, and leaves nothing", async () => {
  const [program, output] = codeBlocks(section(readDocument('README.md'), 'Real containers'))
  expect([program?.language, output?.language]).toEqual(['js', 'text'])
  const before = takeSnapshot()
  const temporary = makeTempRoot()
  const run = await runProgram(program?.code ?? '', {
    wrapper: join(project, 'scripts/in-runtime-namespace.sh'),
    env: { TMPDIR: temporary },
  })
  expect({ ...run, stdout: withoutTime(run.stdout) }).toEqual({
    exitCode: 0,
    stdout: withoutTime(output?.code ?? ''),
    stderr: '',
  })
  expect(await leaksThatStay(before, { roots: [temporary], containerIds: ['hello'] })).toEqual([])
  expect(readdirSync(temporary)).toEqual([])
})

/** conmon writes its log with the time at which it read the line; console.log adds an empty line to the log's own end. */
function withoutTime(output: string): string {
  return output.replaceAll(/\d{4}-\d\d-\d\dT\S+/g, '<time>').trimEnd()
}
