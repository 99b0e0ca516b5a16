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

describe.each(['docs/verbs.md', 'docs/errors.md'])('%s', (path) => {
  const fragments = javascriptOf(readDocument(path))

  it.each(fragments.map((fragment, index) => ({ number: index + 1, fragment })))(
    'has an example $number that prints what its comments say',
    async ({ fragment }) => {
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
  const [opening = '', metrics = ''] = javascriptOf(readDocument('docs/inspector.md'))

  it('has a program that opens an inspector and ends', async () => {
    expect(await runProgram(onRunningContainer(opening))).toMatchObject({ exitCode: 0, stderr: '' })
  })

  it('has a program that serves metrics to a scraper with the token', async () => {
    const anyPort = metrics.replace('port: 9464', 'port: 0')
    expect(await runProgram(onRunningContainer(anyPort))).toEqual({
      exitCode: 0,
      stdout: promisedOutput(metrics),
      stderr: '',
    })
  })
})

/** What the documents say of their examples: `runtime` is open, and `web` is a running container, which has a log. */
function onRunningContainer(fragment: string): string {
  return `
import * as supervisor from 'oci-supervisor'
import * as testing from 'oci-supervisor/testing'
import { writeFileSync } from 'node:fs'

const runtime = await supervisor.Runtime.open(
  supervisor.defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } }),
  {
    implementations: { sim: () => new testing.SimulatedRuntime() },
    stateDirectory: supervisor.memoryStateDirectory(),
  },
)
const logPath = \`\${process.cwd()}/web.log\`
writeFileSync(logPath, '2026-01-01T00:00:00.000000000+00:00 stdout F listening\\n')
const web = new supervisor.Container({ id: 'web', bundlePath: '/bundles/web', logPath })
await runtime.createContainer(web)
await runtime.startContainer(web)
const otherWork = setInterval(() => {}, 1000)
${fragment}
clearInterval(otherWork)
await runtime.close()
`
}
