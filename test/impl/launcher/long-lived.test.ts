import { describe, expect, it } from 'vitest'
import type { Command } from '../../../src/impl/launcher/launcher.ts'
import { openLauncher } from '../../../src/impl/launcher/launcher.ts'
import { env, isAlive, readPid, rejection, scratchDir, testLauncher, waitFor } from './support.ts'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Runs until it is killed, and writes its pid. */
function session(dir: string, name: string): Command {
  const script = `echo $$ >${name}.new && mv ${name}.new ${name}; exec sleep 1000`
  return { argv: ['sh', '-c', script], env, cwd: dir, timeoutMs: 1_000_000, longLived: true }
}

const stands = (dir: string, name: string) =>
  existsSync(join(dir, name)) && readFileSync(join(dir, name)).length > 0

describe('long-lived commands', () => {
  it('take no slot from the others and wait for none', async () => {
    const launcher = await testLauncher({ inFlightMax: 1 })
    const dir = scratchDir()
    const stop = new AbortController()
    const sessions = ['a', 'b', 'c'].map((name) => rejection(launcher.run(session(dir, name), stop.signal)))
    await waitFor('all of them run', () => ['a', 'b', 'c'].every((name) => stands(dir, name)))
    const { stdout } = await launcher.run({ argv: ['echo', 'hello'], env, timeoutMs: 20_000 })
    expect(stdout).toBe('hello\n')
    const blocking = new AbortController()
    const ordinary = rejection(
      launcher.run({ ...session(dir, 'ordinary'), longLived: false }, blocking.signal),
    )
    await waitFor('the only slot is taken', () => stands(dir, 'ordinary'))
    sessions.push(rejection(launcher.run(session(dir, 'd'), stop.signal)))
    await waitFor('another one runs nevertheless', () => stands(dir, 'd'))
    stop.abort()
    blocking.abort()
    for (const error of await Promise.all([...sessions, ordinary]))
      expect(error).toMatchObject({ code: 'ERR_ABORTED' })
  })

  it('are refused when there are too many, until one has ended', async () => {
    const launcher = await testLauncher({ longLivedMax: 1 })
    const dir = scratchDir()
    const stop = new AbortController()
    const first = rejection(launcher.run(session(dir, 'a'), stop.signal))
    await waitFor('it runs', () => stands(dir, 'a'))
    expect(await rejection(launcher.run(session(dir, 'b')))).toMatchObject({ code: 'ERR_BUSY' })
    stop.abort()
    await first
    const quick: Command = { argv: ['echo', 'hello'], env, timeoutMs: 20_000, longLived: true }
    expect((await launcher.run(quick)).stdout).toBe('hello\n')
  })

  it('are killed at once when the launcher is closed', async () => {
    const launcher = await openLauncher({ closeGraceMs: 600_000 })
    const dir = scratchDir()
    const running = rejection(launcher.run(session(dir, 'a')))
    await waitFor('it runs', () => stands(dir, 'a'))
    await launcher.close()
    expect(await running).toMatchObject({ code: 'ERR_CLOSED' })
    const pid = readPid(dir, 'a')
    await waitFor('it is dead', () => !isAlive(pid))
  })
})
