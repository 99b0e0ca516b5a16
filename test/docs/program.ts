/** Runs programs out of documents as an application that has installed the built package. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTempRoot } from '../support/temp-root.ts'
import { project } from './markdown.ts'

export interface ProgramRun {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface ProgramOptions {
  /** A program that is run with `node` and the file as its arguments. Default: none, node itself. */
  readonly wrapper?: string
  readonly env?: Readonly<Record<string, string>>
}

const runMaxMs = 50_000

/** Saves `code` as a file and runs it. Rejects when the package has not been built, resolves however it ends. */
export function runProgram(code: string, { wrapper, env = {} }: ProgramOptions = {}): Promise<ProgramRun> {
  if (!existsSync(join(project, 'dist/index.js'))) throw new Error('no dist: npm run build comes first')
  const application = makeTempRoot()
  mkdirSync(join(application, 'node_modules'))
  symlinkSync(project, join(application, 'node_modules/oci-supervisor'))
  // The application's own.
  for (const name of ['prom-client', 'rxjs']) {
    symlinkSync(join(project, 'node_modules', name), join(application, 'node_modules', name))
  }
  const file = join(application, 'program.mjs')
  writeFileSync(file, code)
  const [command, argv] = wrapper === undefined ? ['node', [file]] : [wrapper, ['node', file]]
  return new Promise((resolve) => {
    const options = { cwd: application, env: { ...process.env, ...env }, timeout: runMaxMs }
    const child = execFile(command, argv, options, (_error, stdout, stderr) => {
      resolve({ exitCode: child.exitCode ?? -1, stdout, stderr })
    })
  })
}

/** What the comments behind its `console.log(…)` say that a program prints. */
export function promisedOutput(code: string): string {
  const promises = [...code.matchAll(/console\.log\(.*\).* \/\/ (.+)$/gm)]
  return promises.map(([, output = '']) => `${output}\n`).join('')
}
