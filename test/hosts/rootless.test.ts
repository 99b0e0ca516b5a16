/**
 * What an ordinary user can do on cgroup v2, in a service whose cgroup systemd delegates to him, and with which error the
 * rest is refused. The embedder (rootless-embedder.ts) tries all of it in one run: starting a Node takes seconds here.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { codeBlocks, readDocument, section } from '../docs/markdown.ts'
import { runtimePrograms, type RuntimeName } from '../e2e/facade-host.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'

const user = 'ocitest'
const MiB = 2 ** 20
const embedder = new URL('rootless-embedder.ts', import.meta.url).pathname
type Facts = Readonly<Record<string, unknown>>

beforeAll(() => {
  execFileSync('useradd', ['--no-create-home', user])
})
afterAll(() => {
  execFileSync('userdel', [user])
})

/** The settings of the unit in docs/hosts.md, for a unit of that name. */
function propertiesFor(unit: string, root: string): string[] {
  const blocks = codeBlocks(section(readDocument('docs/hosts.md'), 'On cgroup v2, with a delegated cgroup'))
  const lines = blocks.find(({ language }) => language === 'ini')?.code.split('\n') ?? []
  return [
    ...lines
      .filter((line) => /^(?!User|ExecStart)\w+=/.test(line))
      .map((line) => line.replace(/\bagent\b/, unit)),
    `User=${user}`,
    // Starting a Node is what takes long here.
    `Environment=NODE_COMPILE_CACHE=${root}/compiled`,
    // A run that hangs says what it was at.
    'RuntimeMaxSec=600',
  ]
}

/** `first` is what a supervisor found that killed itself then; `next` what another one did in the same service. */
function runEmbedders(handler: RuntimeName): { first: Facts; next: Facts } {
  const root = makeTempRoot()
  makeRootfs(root)
  execFileSync('chown', ['--recursive', `${user}:`, root])
  const prefix = `${makeContainerId('u')}-`
  const unit = `ocitest-${prefix}agent`
  const agent = `${process.execPath} ${embedder} ${root} ${handler} ${runtimePrograms[handler]} ${prefix}`
  const options = ['--quiet', '--collect', '--pipe', '--wait', `--unit=${unit}`]
  for (const property of propertiesFor(unit, root)) options.push(`--property=${property}`)
  const script = `${agent} first; ${agent} next`
  const run = spawnSync('systemd-run', [...options, '/bin/sh', '-c', script], { encoding: 'utf8' })
  const factsOf = (part: string): Facts => {
    const file = join(root, `${part}.json`)
    if (!existsSync(file)) throw new Error(`no ${part} embedder came to its end:\n${run.stdout}${run.stderr}`)
    return z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(file, 'utf8')))
  }
  return { first: factsOf('first'), next: factsOf('next') }
}

describe.each<RuntimeName>(['crun', 'runc'])(
  'an ordinary user with a delegated cgroup, on %s,',
  (handler) => {
    let first: Facts
    let next: Facts
    beforeAll(() => {
      ;({ first, next } = runEmbedders(handler))
    }, 900_000)

    it('has containers with limits that hold and can be changed', () => {
      expect(first).toMatchObject({
        limit: String(64 * MiB),
        stats: { memLimit: 64 * MiB, usesMemory: true, usesCpu: true },
        update: String(96 * MiB),
      })
    })

    it('is told that a container ran out of memory', () => {
      expect(first['oom']).toMatchObject({ kind: 'code', code: 137, oomKilled: true })
    })

    it('runs commands in them, with output and with a terminal', () => {
      expect(first).toMatchObject({
        execSync: { exitCode: 4, group: expect.stringMatching(/^0::\//) as unknown },
        terminal: { said: '33 99', exit: { kind: 'code', code: 6 } },
      })
    })

    it('attaches, pauses, forwards a port, has the log reopened, stops and deletes', () => {
      expect(first).toMatchObject({
        attach: 'up',
        pause: ['paused', 'running'],
        portForward: 'through',
        reopenLog: true,
        stop: { kind: 'code', code: 7, oomKilled: false },
      })
      // What resolves with nothing has no entry in the file.
      expect(first).not.toHaveProperty('delete')
    })

    it('takes a container up after its supervisor was killed', () => {
      expect(next).toMatchObject({
        adopted: 'running',
        'exec of the adopted': 0,
        'stats of the adopted': 64 * MiB,
        'stop of the adopted': { kind: 'code', code: 137, oomKilled: false },
      })
    })

    it.each([
      ['no delegation', 'must be in a cgroup that is delegated to user'],
      ['limits without a path', 'must be an absolute path'],
      ['path of systemd', 'must be an absolute path'],
      ['among processes', 'must be in a cgroup that has no processes of its own'],
    ])('is refused a cgroup that cannot be had: %s', (name, words) => {
      const message: unknown = expect.stringContaining(words)
      expect(first[name]).toEqual({ code: 'ERR_BUNDLE', field: 'linux.cgroupsPath', message })
    })

    it('is refused a container without a user namespace', () => {
      expect(first['no user namespace']).toMatchObject({ code: 'ERR_BUNDLE', field: 'linux.namespaces' })
    })

    // runc makes it one beside the supervisor's; crun leaves it where its monitor is.
    const withoutPath: Record<RuntimeName, readonly unknown[]> = {
      crun: Array.from({ length: 3 }, (): unknown =>
        expect.objectContaining({ code: 'ERR_UNSUPPORTED', field: 'linux.cgroupsPath' }),
      ),
      runc: [1, undefined, undefined],
    }

    it('is refused what would be done to others as well, where a container has no cgroup of its own', () => {
      const verbs = ['stats', 'update', 'pause']
      expect(verbs.map((verb) => first[`${verb} without a path`])).toEqual(withoutPath[handler])
      expect(first['exec without a path']).toBe(0)
    })

    it('is refused cgroups by systemd, and containers behind a shim', () => {
      expect(first['cgroups by systemd']).toMatchObject({ code: 'ERR_UNSUPPORTED', field: 'cgroupManager' })
      expect(first['behind a shim']).toMatchObject({ code: 'ERR_UNSUPPORTED', field: 'runtimeType' })
    })
  },
)
