import { describe, expect, it } from 'vitest'
import { codeBlocks, readDocument, section } from './markdown.ts'
import { promisedOutput, runProgram } from './program.ts'

function javascriptOf(text: string): readonly string[] {
  return codeBlocks(text)
    .filter(({ language }) => language === 'js')
    .map(({ code }) => code)
}

describe('README.md', () => {
  const readme = readDocument('README.md')

  it('begins with a complete program that prints what is printed below it', async () => {
    const [program, output] = codeBlocks(section(readme, 'In a minute, without containers'))
    expect([program?.language, output?.language]).toEqual(['js', 'text'])
    expect(await runProgram(program?.code ?? '')).toEqual({
      exitCode: 0,
      stdout: output?.code,
      stderr: '',
    })
  })

  const fragments = javascriptOf(section(readme, 'How it works with you'))

  it('has three examples of how it works', () => {
    expect(fragments).toHaveLength(3)
  })

  it.each(fragments.map((fragment, index) => ({ number: index + 1, fragment })))(
    'has an example $number that prints what its comments say',
    async ({ fragment }) => {
      expect(promisedOutput(fragment)).not.toBe('')
      expect(await runProgram(onRunningContainer(fragment))).toEqual({
        exitCode: 0,
        stdout: promisedOutput(fragment),
        stderr: '',
      })
    },
  )
})

describe('docs/testing.md', () => {
  it.each(['The first test', 'A test of a probe'])(
    'has a complete program that prints what its comments say: %s',
    async (heading) => {
      const [program = ''] = javascriptOf(section(readDocument('docs/testing.md'), heading))
      const { exitCode, stdout, stderr } = await runProgram(program)
      expect(stderr).toBe('')
      expect(exitCode).toBe(0)
      expect(stdout).toBe(promisedOutput(program).replace(/: .*/, ''))
    },
  )
})

describe('docs/inspector.md', () => {
  const programs = javascriptOf(readDocument('docs/inspector.md'))

  it.each(programs.map((program, index) => ({ number: index + 1, program })))(
    'has a program $number that opens, measures and ends',
    async ({ program }) => {
      expect(await runProgram(onRunningContainer(program))).toMatchObject({ exitCode: 0, stderr: '' })
    },
  )
})

/** What the README says of its examples: `runtime` is open, and `web` is a running container. */
function onRunningContainer(fragment: string): string {
  return `
import { Container, defineConfig, isOciError, memoryStateDirectory, Runtime } from 'oci-supervisor'
import { SimulatedRuntime } from 'oci-supervisor/testing'

const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
const runtime = await Runtime.open(config, {
  implementations: { sim: () => new SimulatedRuntime() },
  stateDirectory: memoryStateDirectory(),
})
const web = new Container({ id: 'web', bundlePath: '/bundles/web' })
await runtime.createContainer(web)
await runtime.startContainer(web)
${fragment}
await runtime.close()
`
}
