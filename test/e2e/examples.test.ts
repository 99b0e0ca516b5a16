/** The examples of examples/verbs, as a reader runs them. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { expect, it, onTestFinished } from 'vitest'
import { makeTempRoot } from '../support/temp-root.ts'

const folder = join(import.meta.dirname, '../../examples/verbs')

interface Run {
  readonly child: ChildProcessWithoutNullStreams
  readonly stdout: () => Promise<string>
  readonly exitCode: Promise<unknown>
}

/** As root on this host; its temporary files are ours to look for. */
function run(program: string, args: readonly string[]): Run {
  const child = spawn(program, args, { env: { ...process.env, TMPDIR: makeTempRoot() } })
  const closed = once(child, 'close')
  child.stderr.pipe(process.stderr)
  // One that failed before its end would go on.
  onTestFinished(async () => {
    if (child.kill('SIGINT')) await closed
  })
  return { child, stdout: () => text(child.stdout), exitCode: closed.then(([code]: unknown[]) => code) }
}

async function firstLine({ stdout }: ChildProcessWithoutNullStreams): Promise<string> {
  for await (const line of createInterface({ input: stdout })) return line
  return ''
}

const example = (name: string, ...args: string[]): Run => run(process.execPath, [join(folder, name), ...args])

it('a command is run once, and its code is the program’s', async () => {
  const { stdout, exitCode } = example('one-shot.ts', '/bin/sh', '-c', 'uname -s; exit 3')
  expect(await stdout()).toBe('Linux\n')
  expect(await exitCode).toBe(3)
})

it('a shell is piped where there is no terminal', async () => {
  const { child, stdout, exitCode } = example('shell.ts')
  child.stdin.end('echo $((6 * 7)); exit 5\n')
  expect(await stdout()).toBe('42\n')
  expect(await exitCode).toBe(5)
})

it('a shell has a terminal of the size of ours', async () => {
  const shell = `stty cols 91 rows 37; exec ${process.execPath} ${join(folder, 'shell.ts')}`
  const { child, stdout, exitCode } = run('script', ['-qec', shell, '/dev/null'])
  child.stdin.write('stty size; tty; exit 6\n')
  expect(await stdout()).toMatch(/37 91\s+\/dev\/pts\/0/)
  expect(await exitCode).toBe(6)
})

it('a port of the container is reached from the host', async () => {
  const { child, exitCode } = example('port-forward.ts')
  const port = Number(/port (\d+)/.exec(await firstLine(child))?.[1])
  const answers = await Promise.all([port, port].map((one) => text(connect(one, '127.0.0.1'))))
  expect(answers).toEqual(['hello from inside\n', 'hello from inside\n'])
  child.kill('SIGINT')
  expect(await exitCode).toBe(0)
})
