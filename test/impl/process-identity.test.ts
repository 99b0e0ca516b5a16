import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import {
  bootId,
  killProcess,
  observeProcess,
  parseProcessStat,
  pidExists,
  processState,
  readIdentity,
  readIdentitySync,
  readProcessStat,
  readProcessStatSync,
} from '../../src/impl/process-identity.ts'
import type { ProcessIdentity } from '../../src/impl/runtime-impl.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

function start(command: string, args: readonly string[]): ChildProcess & { pid: number } {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  cleanups.push(() => child.kill('SIGKILL'))
  if (child.pid === undefined) throw new Error(`${command} did not start`)
  return Object.assign(child, { pid: child.pid })
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout !== null) for await (const line of createInterface(child.stdout)) return line
  throw new Error('the child said nothing')
}

function identityOf(pid: number): ProcessIdentity {
  const identity = readIdentitySync(pid)
  if (identity === undefined) throw new Error(`process ${pid} should live`)
  return identity
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}

describe('a line of /proc/PID/stat', () => {
  it('is understood whatever the process calls itself', () => {
    const after = 'S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 98765432109876543210 11 12'
    fc.assert(
      fc.property(fc.string({ maxLength: 64 }), (command) => {
        expect(parseProcessStat(`42 (${command}) ${after}\n`)).toEqual({
          pid: 42,
          command,
          state: 'S',
          parentPid: 7,
          groupPid: 8,
          threads: 3,
          startTicks: '98765432109876543210',
        })
      }),
    )
  })

  it('that is cut short or is something else is no line', () => {
    const line = '42 (x) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 1234'
    expect(parseProcessStat(line)).toBeDefined()
    for (let length = 0; length < line.length - '1234'.length; length += 1)
      expect(parseProcessStat(line.slice(0, length))).toBeUndefined()
    expect(parseProcessStat(line.replace('1234', '12x4'))).toBeUndefined()
    expect(parseProcessStat(line.replace(' S ', ' SS '))).toBeUndefined()
  })
})

describe('the identity of a process', () => {
  it('is the same however it is read, and stays the same', async () => {
    const child = start('sleep', ['60'])
    const identity = identityOf(child.pid)
    expect(await readIdentity(child.pid)).toEqual(identity)
    expect(identity.startTicks).toBe((await readFile(`/proc/${child.pid}/stat`, 'latin1')).split(' ')[21])
    expect(processState(identity)).toBe('alive')
    expect(await observeProcess(identity)).toBe('alive')
  })

  it('is read of a program whose name has blanks and parentheses', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'identity-'))
    cleanups.push(() => rm(directory, { recursive: true }))
    const program = join(directory, 'a) Z (1 b)')
    await copyFile('/bin/sleep', program)
    const child = start(program, ['60'])
    await until(() => readProcessStatSync(child.pid)?.command === 'a) Z (1 b)')
    expect(processState(identityOf(child.pid))).toBe('alive')
    expect((await readProcessStat(child.pid))?.parentPid).toBe(process.pid)
  })

  it('is gone once the process has been reaped', async () => {
    const child = start('sleep', ['60'])
    const identity = identityOf(child.pid)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(processState(identity)).toBe('gone')
    expect(await observeProcess(identity)).toBe('gone')
    expect(await readIdentity(child.pid)).toBeUndefined()
    expect(pidExists(child.pid)).toBe(false)
    expect(killProcess(identity, 9)).toBe(false)
  })

  it('is gone when its process is a zombie that nobody reaps', async () => {
    // The shell starts a child, says its pid and becomes a program that never waits for children.
    const parent = start('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'])
    const pid = Number(await firstLine(parent))
    const identity = identityOf(pid)
    cleanups.push(() => killProcess(identity, 9))
    await until(() => readProcessStatSync(parent.pid)?.command === 'sleep')
    expect(killProcess(identity, 9)).toBe(true)
    await until(() => readProcessStatSync(pid)?.state === 'Z')
    expect(pidExists(pid)).toBe(true)
    expect(processState(identity)).toBe('gone')
    expect(await observeProcess(identity)).toBe('gone')
    expect(await readIdentity(pid)).toBeUndefined()
    expect(killProcess(identity, 9)).toBe(false)
  })

  it('lives on while other threads run although the first one has ended', async () => {
    const program = [
      'import ctypes, threading, time',
      'threading.Thread(target=lambda: time.sleep(60)).start()',
      'ctypes.CDLL(None).syscall(60, 0)',
    ].join('\n')
    const child = start('python3', ['-c', program])
    await until(() => readProcessStatSync(child.pid)?.state === 'Z')
    const identity = identityOf(child.pid)
    expect(processState(identity)).toBe('alive')
    expect(killProcess(identity, 9)).toBe(true)
    await once(child, 'exit')
    expect(processState(identity)).toBe('gone')
  })

  it('is not that of another process with the same pid: a stranger is never signalled', async () => {
    const child = start('sleep', ['60'])
    const { startTicks } = identityOf(child.pid)
    const ticks = fc
      .bigInt({ min: 0n, max: 2n ** 64n })
      .filter((candidate) => String(candidate) !== startTicks)
    fc.assert(
      fc.property(ticks, fc.integer({ min: 1, max: 64 }), (otherTicks, signal) => {
        const stranger = { pid: child.pid, startTicks: String(otherTicks) }
        expect(processState(stranger)).toBe('gone')
        expect(killProcess(stranger, signal)).toBe(false)
      }),
    )
    // Not only were the signals refused: the process is untouched.
    expect(processState({ pid: child.pid, startTicks })).toBe('alive')
  })

  it('has no value for a pid that nobody has, and an unreadable /proc is not one of these', async () => {
    const free = 2 ** 22 + 1
    expect(await readIdentity(free)).toBeUndefined()
    await expect(readIdentity(-5)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'pid' })
    expect(() => readIdentitySync(1.5)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})

describe('the one door for signals', () => {
  it('delivers the signal it is given', async () => {
    const child = start('sh', [
      '-c',
      'trap "echo usr1; exit 3" USR1; echo ready; while :; do sleep 0.01; done',
    ])
    expect(await firstLine(child)).toBe('ready')
    expect(killProcess(identityOf(child.pid), 10)).toBe(true)
    expect(await once(child, 'exit')).toEqual([3, null])
  })

  it('stays shut for groups, init, this process and impossible signals', () => {
    const own = identityOf(process.pid)
    for (const pid of [0, -1, -4711, 1, Number.NaN, 2 ** 40, own.pid])
      expect(() => killProcess({ pid, startTicks: own.startTicks }, 9)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'pid' }),
      )
    const child = start('sleep', ['60'])
    for (const signal of [0, -9, 65, 1.5, Number.NaN])
      expect(() => killProcess(identityOf(child.pid), signal)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'signal' }),
      )
  })

  it('says so when it may not signal the process', async () => {
    const program = `
      const { killProcess, readIdentitySync } = await import(process.argv[1])
      process.setuid(65534)
      try { killProcess(readIdentitySync(Number(process.argv[2])), 15) } catch (error) { console.log(error.code, error.cause.code) }`
    const target = start('sleep', ['60'])
    const module = new URL('../../src/impl/process-identity.ts', import.meta.url).href
    const args = ['--input-type=module', '-e', program, module, String(target.pid)]
    expect(await firstLine(start(process.execPath, args))).toBe('ERR_UNSUPPORTED EPERM')
    expect(processState(identityOf(target.pid))).toBe('alive')
  })
})

describe('the boot id', () => {
  it("is the kernel's", async () => {
    expect(bootId()).toBe((await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim())
  })
})
