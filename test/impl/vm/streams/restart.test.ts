import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { holdingOutputs } from '../../../../src/impl/vm/streams/holding-outputs.ts'
import { FakeShim } from './fake-shim.ts'
import { Stage } from './stage.ts'

const program = fileURLToPath(import.meta.resolve('./supervisor.ts'))

/** Another process has the streams; the container runs. */
async function supervisedElsewhere(stage: Stage, script: string): Promise<[ChildProcess, FakeShim]> {
  const argv = ['--no-warnings', program, JSON.stringify(stage.spec)]
  const supervisor = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = supervisor
  if (stdin === null || stdout === null) throw new Error('the supervisor has no streams')
  onTestFinished(() => void supervisor.kill('SIGKILL'))
  await once(stdout, 'data')
  const shim = await FakeShim.start(stage.paths, script)
  onTestFinished(() => shim.kill())
  stdin.write('go\n')
  await once(stdout, 'data')
  return [supervisor, shim]
}

async function kill(supervisor: ChildProcess): Promise<void> {
  const exited = once(supervisor, 'exit')
  supervisor.kill('SIGKILL')
  await exited
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** Writes numbers, a line each, until there is the file. */
function numbersUntil(file: string): string {
  return `i=0; while [ ! -e ${file} ]; do seq $i $((i+9999)); i=$((i+10000)); done; echo $i`
}

/** The last number says how many there should be. */
function missingBytes(lines: readonly string[]): number {
  const count = Number(lines.at(-1)) + 1
  const wanted = Array.from({ length: count }, (_, index) => `${index}\n`).join('').length
  return wanted - lines.join('\n').length - 1
}

describe('a supervisor that is closed', () => {
  it('loses nothing of a flood, and the next one goes on in the middle of a line', async () => {
    const stage = new Stage()
    const stop = join(stage.root, 'stop')
    await stage.make()
    const shim = await stage.start(numbersUntil(stop))
    const isLogged = (sizeBytes: number) => statSync(stage.spec.logPath).size > sizeBytes
    for (let restart = 1; restart <= 20; restart += 1) {
      await until(() => isLogged(restart * 100_000))
      await stage.streams.close()
      await stage.resume()
    }
    writeFileSync(stop, '')
    await shim.exited
    expect(await stage.streams.drain(5000)).toBe(true)
    const lines = await stage.lines()
    expect(lines.length).toBeGreaterThan(10_000)
    expect(lines.findIndex((line, index) => line !== String(index))).toBe(-1)
    expect(stage.streams.lostBytes).toBe(0)
  })
})

describe('a supervisor that is killed', () => {
  it('leaves everything in the pipes that it had not read, and the container waits for the next one', async () => {
    const stage = new Stage()
    const go = join(stage.root, 'go')
    const script = `echo before; while [ ! -e ${go} ]; do sleep 0.01; done; head -c 400000 /dev/zero; echo; echo after`
    const [supervisor, shim] = await supervisedElsewhere(stage, script)
    await until(() => statSync(stage.spec.logPath).size > 0)
    await kill(supervisor)
    writeFileSync(go, '')
    await stage.resume()
    await shim.exited
    expect(await stage.streams.drain(5000)).toBe(true)
    expect(await stage.lines()).toEqual(['before', '\0'.repeat(400_000), 'after'])
  })

  it('takes one chunk of a flood with it at most', async () => {
    const stage = new Stage()
    const stop = join(stage.root, 'stop')
    const [supervisor, shim] = await supervisedElsewhere(stage, numbersUntil(stop))
    await until(() => statSync(stage.spec.logPath).size > 500_000)
    await kill(supervisor)
    await stage.resume()
    await until(() => statSync(stage.spec.logPath).size > 1_500_000)
    writeFileSync(stop, '')
    await shim.exited
    expect(await stage.streams.drain(5000)).toBe(true)
    const missing = missingBytes(await stage.lines())
    expect(missing).toBeGreaterThanOrEqual(0)
    expect(missing).toBeLessThanOrEqual(65_536)
  })

  it('does not keep the next one waiting for an end that came meanwhile', async () => {
    const stage = new Stage()
    const [supervisor, shim] = await supervisedElsewhere(stage, 'echo before; read line')
    await until(() => statSync(stage.spec.logPath).size > 0)
    await kill(supervisor)
    await shim.exited
    await stage.resume()
    const session = await stage.attach()
    expect(await stage.streams.drain(20_000)).toBe(true)
    expect(await session.ended).toMatchObject({ reason: 'exited' })
    expect(await stage.lines()).toEqual(['before'])
  })

  it('leaves a log that the next one cannot open to be opened later', async () => {
    const stage = new Stage()
    const go = join(stage.root, 'go')
    const [supervisor] = await supervisedElsewhere(
      stage,
      `echo lost; while [ ! -e ${go} ]; do sleep 0.01; done; echo kept`,
    )
    await until(() => statSync(stage.spec.logPath).size > 0)
    await kill(supervisor)
    rmSync(stage.spec.logPath)
    mkdirSync(stage.spec.logPath)
    await stage.resume()
    rmSync(stage.spec.logPath, { recursive: true })
    writeFileSync(go, '')
    await until(() => existsSync(stage.spec.logPath) && statSync(stage.spec.logPath).size > 0)
    expect(await stage.lines()).toEqual(['kept'])
    expect(stage.logger.messages).toMatchObject([{ level: 'error', message: 'a log was not opened' }])
  })
})

describe('a container that ends while nobody supervises it', () => {
  it.each([{ terminal: false }, { terminal: true }])(
    'leaves its last output to a shim that was started holding it: %o',
    async (spec) => {
      const stage = new Stage(spec)
      const go = join(stage.root, 'go')
      const { paths } = await stage.make()
      const [file, ...argv] = holdingOutputs(paths, ['sleep', '60'])
      const holder = spawn(file, argv, { stdio: 'ignore' })
      onTestFinished(() => void holder.kill('SIGKILL'))
      await until(() => existsSync(`/proc/${holder.pid}/fd/8`))
      const shim = await stage.start(`echo first; while [ ! -e ${go} ]; do sleep 0.01; done; echo last`)
      await until(() => statSync(stage.spec.logPath).size > 0)
      await stage.streams.close()
      writeFileSync(go, '')
      await shim.exited
      await stage.resume()
      expect(await stage.streams.drain(20_000)).toBe(true)
      expect(await stage.lines()).toEqual(['first', 'last'])
    },
  )
})
