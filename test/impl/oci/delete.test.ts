import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { defineConfig } from '../../../src/config/define-config.ts'
import { Container } from '../../../src/container.ts'
import type { CommandResult } from '../../../src/impl/launcher/launcher.ts'
import { createRuntimeOci } from '../../../src/impl/oci/runtime-oci.ts'
import { readIdentitySync } from '../../../src/impl/process-identity.ts'
import type { ProcessIdentity } from '../../../src/impl/runtime-impl.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { makeTempRoot } from '../../support/temp-root.ts'
import { noExits } from './no-exits.ts'

const gone: ProcessIdentity = { pid: process.ppid, startTicks: '0' }
const effect = { signal: new AbortController().signal }

/** A container whose runtime takes it for running, and the commands that the runtime gets. */
function world(init: ProcessIdentity | undefined, runtimeRoot = '/created/under') {
  const root = makeTempRoot()
  const asked: string[] = []
  const config = defineConfig({
    defaultRuntime: 'crun',
    runtimes: { crun: { runtimePath: '/crun', runtimeRoot: '/configured/now' } },
    runDir: `${root}/run`,
  })
  const run = ({ argv }: { argv: readonly string[] }): Promise<CommandResult> => {
    asked.push(argv.slice(1).join(' '))
    const forced = argv.includes('--force')
    return Promise.resolve({
      exitCode: forced ? 0 : 1,
      signal: undefined,
      timedOut: false,
      stdout: '',
      stdoutTruncated: false,
      stderrTail: 'the container `c1` is not in `created` or `stopped` state\n',
    })
  }
  const exits = noExits()
  const launcher = {
    run,
    spawnMonitor: () => Promise.reject(new Error('not asked for')),
    attend: () => Promise.reject(new Error('not asked for')),
  }
  const container = new Container({ id: 'c1', bundlePath: `${root}/b`, dir: `${root}/d` })
  mkdirSync(container.dir)
  const notes = { runtimeRoot, ownPidNamespace: true, init, cgroupPaths: {}, monitorCgroups: [] }
  writeFileSync(`${container.dir}/runtime-oci.json`, JSON.stringify(notes))
  return { asked, container, impl: createRuntimeOci({ config, launcher, exits, logger: silentLogger }) }
}

describe('deleting a container that the runtime takes for running', () => {
  it('is forced when its init is gone, which a runtime may not see of a process that nobody reaps', async () => {
    const { impl, container, asked } = world(gone)
    await impl.delete(container, effect)
    expect(asked).toEqual(['--root /created/under delete c1', '--root /created/under delete --force c1'])
  })

  it.each([
    ['lives', readIdentitySync(process.ppid)],
    ['is not known', undefined],
  ])('fails without force when its init %s', async (_, init) => {
    const { impl, container, asked } = world(init)
    await expect(impl.delete(container, effect)).rejects.toMatchObject({ code: 'ERR_WRONG_STATUS' })
    expect(asked).toHaveLength(1)
  })
})

describe('deleting a container whose monitor or runtime was killed while it wrote a file', () => {
  it('removes what they had written in part, and nothing that only looks like it', async () => {
    const { impl, container } = world(gone)
    const { bundlePath: bundle, dir } = container
    mkdirSync(bundle)
    const kept = ['conmon-pidfile.old', 'other.UW4CZ3', 'pidfile.txt']
    const removed = ['conmon-pidfile.UW4CZ3', '.pidfile']
    for (const name of [...kept, ...removed]) writeFileSync(`${bundle}/${name}`, '')
    writeFileSync(`${dir}/exit.9bXz0Q`, '')
    await impl.delete(container, effect)
    expect(readdirSync(bundle).toSorted()).toEqual(kept)
    expect(readdirSync(dir)).toEqual([])
  })
})

describe('a container of an earlier configuration', () => {
  it('is looked for in the runtime root that it was created under', async () => {
    const { impl, container, asked } = world(gone)
    await expect(impl.start(container, effect)).rejects.toMatchObject({ containerId: 'c1' })
    expect(asked).toEqual(['--root /created/under start c1'])
  })

  it('is looked for in the configured root when the notes on it are unreadable', async () => {
    const { impl, container, asked } = world(gone)
    writeFileSync(`${container.dir}/runtime-oci.json`, '{')
    await expect(impl.start(container, effect)).rejects.toMatchObject({ containerId: 'c1' })
    expect(asked).toEqual(['--root /configured/now start c1'])
  })
})
