import { symlinkSync, writeFileSync } from 'node:fs'
import { beforeEach, expect, it } from 'vitest'
import { defaultSpec, writeBundle } from '../../../src/bundle/bundle.ts'
import { Container } from '../../../src/container.ts'
import { checkBundle } from '../../../src/impl/host/bundle-checks.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

let bundlePath: string

beforeEach(() => {
  bundlePath = makeTempRoot()
})

/** Whether a container with that netns fits a spec with those namespaces. */
async function check(
  netns: string | undefined,
  namespaces: { type: string; path?: string }[],
): Promise<void> {
  const spec = defaultSpec({ rootfs: '/rootfs', args: ['/bin/true'] })
  await writeBundle(bundlePath, { ...spec, linux: { ...spec.linux, namespaces } })
  const container = new Container({ id: 'c', bundlePath, ...(netns === undefined ? {} : { netns }) })
  const paths = { bundle: bundlePath, configFile: `${bundlePath}/config.json` }
  await checkBundle(container, { handler: { allowedAnnotations: [] }, paths })
}

it.runIf(process.platform === 'linux')('a netns fits the spec that enters it, by whatever name', async () => {
  const own = '/proc/self/ns/net'
  symlinkSync(own, `${bundlePath}/net`)
  const fitting: [string | undefined, { type: string; path?: string }[]][] = [
    ['/run/netns/later', [{ type: 'network', path: '/run/netns/later' }]],
    [`${bundlePath}/net`, [{ type: 'network', path: own }]],
    // The host's, as the runtime gives it to a container without one.
    [own, [{ type: 'pid' }]],
    [undefined, [{ type: 'network', path: '/run/netns/later' }]],
    [undefined, [{ type: 'network' }]],
  ]
  for (const [netns, namespaces] of fitting) await expect(check(netns, namespaces)).resolves.toBeUndefined()
})

it('a netns that the spec does not enter is refused: ports would be forwarded elsewhere', async () => {
  writeFileSync(`${bundlePath}/net`, '')
  const refused = { code: 'ERR_BUNDLE', field: 'linux.namespaces', containerId: 'c' }
  for (const namespaces of [
    [{ type: 'network' }],
    [{ type: 'network', path: '' }],
    [{ type: 'network', path: '/proc/self/ns/net' }],
    [{ type: 'network', path: '/nowhere/net' }],
    [{ type: 'pid', path: `${bundlePath}/net` }],
  ])
    await expect(check(`${bundlePath}/net`, namespaces)).rejects.toMatchObject(refused)
  await expect(check('/nowhere/else', [{ type: 'network', path: '/nowhere/net' }])).rejects.toMatchObject(
    refused,
  )
})
