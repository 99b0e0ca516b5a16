/** Containers of bundles as other engines write them: no limits as RLIM_INFINITY, user files mounted over the image's. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readBundleSpec, writeBundle, type Container, type OciSpec } from '../../src/index.ts'
import { openOciHarness } from '../contract/oci-harness.ts'
import { openStage } from '../contract/stage.ts'
import { openVmHarness } from '../contract/vm-harness.ts'
import { makeTempRoot } from '../support/temp-root.ts'

const rlimInfinity = 18_446_744_073_709_551_615n

const harnesses = [
  ['crun', () => openOciHarness('crun')],
  ['runc', () => openOciHarness('runc')],
  ['runc behind a shim', () => openVmHarness('runc')],
] as const

describe.each(harnesses)('a bundle of another engine on %s', (_, open) => {
  const stage = openStage(() => Promise.resolve(open()))

  async function running(change: (spec: OciSpec) => void): Promise<Container> {
    const { harness, runtime } = stage
    const container = await harness.makeContainer({ args: ['/bin/sleep', '1000'] })
    const spec = await readBundleSpec(container)
    change(spec)
    await writeBundle(container.bundlePath, spec)
    await runtime.createContainer(container)
    await runtime.startContainer(container)
    return container
  }

  async function said(container: Container, script: string, user?: string): Promise<string> {
    const argv = ['/bin/sh', '-c', script]
    const options = user === undefined ? {} : { user }
    const { stdout, stderr } = await stage.runtime.execSyncContainer(container, argv, 60, options)
    return `${String(stdout)}${String(stderr)}`.trim()
  }

  it('with limits that are infinite has them in its commands', async () => {
    const container = await running(({ process }) => {
      if (process !== undefined)
        process.rlimits = [{ type: 'RLIMIT_CORE', soft: rlimInfinity, hard: rlimInfinity }]
    })
    expect(await said(container, 'ulimit -c; ulimit -H -c')).toBe('unlimited\nunlimited')
    await stage.runtime.deleteContainer(container)
  })

  it('with user files that are mounted runs commands as the users in those', async () => {
    const files = makeTempRoot()
    writeFileSync(join(files, 'passwd'), 'app:x:7777:7778::/:/bin/sh\n')
    writeFileSync(join(files, 'group'), 'audio:x:29:app\n')
    const container = await running((spec) => {
      const etc = join(spec.root?.path ?? '', 'etc')
      mkdirSync(etc, { recursive: true })
      writeFileSync(join(etc, 'passwd'), 'app:x:1000:1000::/:/bin/sh\n')
      writeFileSync(join(etc, 'group'), '')
      for (const name of ['passwd', 'group'])
        spec.mounts?.push({
          destination: `/etc/${name}`,
          type: 'bind',
          source: join(files, name),
          options: ['bind', 'ro'],
        })
    })
    const script = '/bin/busybox id -u; /bin/busybox id -G'
    expect(await said(container, script, 'app')).toBe('7777\n7778 29')
    expect(await said(container, script, '7777')).toBe('7777\n7778 29')
    expect(await said(container, script, '5')).toBe('5\n0')
    await stage.runtime.deleteContainer(container)
  })
})
