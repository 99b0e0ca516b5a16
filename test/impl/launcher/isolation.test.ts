import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { env, killAtEnd, scratchDir, startEmbedder, testLauncher } from './support.ts'

/** The descriptors in a listing of /proc/self/fd, without that of the directory itself. */
function descriptors(listing: string): string[] {
  return [...listing.matchAll(/ (\d+) -> (?!\/proc\/)/g)].map(([, fd]) => fd ?? '')
}

describe('a child of the launcher', () => {
  it('has no descriptor, limit or variable of the embedder', async () => {
    const dir = scratchDir()
    // 23 is above the range that Node protects by itself at its start.
    const prelude = 'ulimit -Sn 4000; exec 23</etc/hostname 9</etc/hostname;'
    const secret = {
      SECRET: 'embedder',
      NODE_OPTIONS: '--max-old-space-size=300',
      NODE_V8_COVERAGE: join(dir, 'v8'),
    }
    const embedder = startEmbedder('look', dir, { prelude, env: secret })
    const { stdout } = await embedder.fact()
    expect((await embedder.exited).code).toBe(0)
    expect(descriptors(stdout)).toEqual(['0', '1', '2'])
    expect(stdout).toMatch(/Max open files\s+1024 /)
    expect(
      stdout.split('\n').filter((line) => /^[A-Z_0-9]+=/.test(line) && !line.startsWith('PWD=')),
    ).toEqual([`PATH=${env.PATH}`])
    expect(descriptors(readFileSync(join(dir, 'fds'), 'utf8')).toSorted()).toEqual(['0', '1', '2', '3', '4'])
  })

  it('has the soft limit on open files that was asked for', async () => {
    const launcher = await testLauncher({ nofileSoft: 512 })
    const { stdout } = await launcher.run({ argv: ['sh', '-c', 'ulimit -Sn'], env, timeoutMs: 20_000 })
    expect(stdout).toBe('512\n')
  })

  it('keeps the hard limit', async () => {
    const launcher = await testLauncher()
    const { stdout } = await launcher.run({ argv: ['sh', '-c', 'ulimit -Hn'], env, timeoutMs: 20_000 })
    const limits = readFileSync('/proc/self/limits', 'utf8')
    expect(stdout.trim()).toBe(/^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1])
  })
})

describe('the launcher itself', () => {
  it('knows nothing of the environment of the embedder but PATH', async () => {
    process.env['LAUNCHER_TEST_SECRET'] = 'x'
    try {
      const launcher = await testLauncher()
      const names = readFileSync(`/proc/${launcher.pid}/environ`, 'utf8')
        .split('\0')
        .filter((line) => line !== '')
        .map((line) => line.split('=')[0])
      expect(new Set(names)).toEqual(
        new Set(['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', 'OCI_SUPERVISOR_HELPER', 'PATH']),
      )
    } finally {
      delete process.env['LAUNCHER_TEST_SECRET']
    }
  })

  it('is in a session of its own and outlives the signals that end a service', async () => {
    const launcher = await testLauncher()
    const pid = killAtEnd(launcher.pid ?? 0)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(pid, signal)
    const { stdout } = await launcher.run({
      argv: ['ps', '-o', 'sid=', '-p', String(pid)],
      env,
      timeoutMs: 20_000,
    })
    expect(Number(stdout)).toBe(pid)
    expect(launcher.pid).toBe(pid)
  })

  it('says so in the log, and works, when it cannot lower the limit', async () => {
    const path = process.env['PATH']
    const notes: string[] = []
    process.env['PATH'] = '/nowhere'
    try {
      const launcher = await testLauncher({
        logger: { debug: () => undefined, warn: (_details, message) => notes.push(message) },
      })
      expect((await launcher.run({ argv: ['true'], env, timeoutMs: 20_000 })).exitCode).toBe(0)
      expect(notes).toEqual([expect.stringContaining('ENOENT')])
    } finally {
      process.env['PATH'] = path
    }
  })
})
