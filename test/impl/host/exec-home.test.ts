import { execFile } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ExecHome, type ExecHomeOptions } from '../../../src/impl/host/exec-home.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

const run = promisify(execFile)

/** Runs commands itself. */
const launcher: ExecHomeOptions['launcher'] = {
  run: async ({ argv: [file, ...args] }) => {
    const failure = await run(file, args).then(
      () => undefined,
      (error: unknown) => String(error),
    )
    return {
      exitCode: failure === undefined ? 0 : 1,
      signal: undefined,
      timedOut: false,
      stdout: '',
      stdoutTruncated: false,
      stderrTail: failure ?? '',
    }
  },
}

function home() {
  const runDir = join(makeTempRoot(), 'run')
  return { runDir, home: new ExecHome({ runDir, launcher, env: { PATH: process.env['PATH'] ?? '' } }) }
}

describe('the place of the files of commands', () => {
  it('is made anew, with all that it held in stock, when somebody has cleared the run directory', async () => {
    const { runDir, home: place } = home()
    await place.takeFifos(1)
    await place.makeDirectory()
    rmSync(runDir, { recursive: true })
    const fifos = await place.takeFifos(2)
    expect(fifos.map((path) => lstatSync(path).isFIFO())).toEqual([true, true])
    rmSync(runDir, { recursive: true })
    expect(existsSync(await place.makeDirectory())).toBe(true)
    await place.close()
    expect(readdirSync(join(runDir, 'exec'))).toEqual([])
  })

  it('hands out no FIFO that somebody has removed', async () => {
    const { home: place } = home()
    const [first = ''] = await place.takeFifos(1)
    const directory = join(first, '..')
    for (const name of readdirSync(directory)) rmSync(join(directory, name))
    const [fifo = ''] = await place.takeFifos(1)
    expect(lstatSync(fifo).isFIFO()).toBe(true)
    await place.close()
  })

  it('is not made anew once it is closed', async () => {
    const { runDir, home: place } = home()
    await place.takeFifos(1)
    await place.close()
    for (const late of [place.takeFifos(1), place.makeDirectory()])
      await expect(late).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(readdirSync(join(runDir, 'exec'))).toEqual([])
  })
})
