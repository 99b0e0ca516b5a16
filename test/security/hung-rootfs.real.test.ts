/**
 * A root filesystem that does not answer holds up its own containers and nobody else. Real: a FUSE file system whose server
 * is this test, which never says a word. Every access hangs until its descriptor is closed.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { hostForTest } from '../e2e/facade-host.ts'
import { runtimeNames } from '../e2e/oci-host.ts'
import { patience } from '../support/patience.ts'

/** Mounts it; `release` has all accesses fail, and unmounts it. */
function mountHanging(directory: string): { readonly release: () => void } {
  mkdirSync(directory)
  const server = openSync('/dev/fuse', 'r+')
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0'
  let isOpen = true
  const release = (): void => {
    if (!isOpen) return
    isOpen = false
    closeSync(server)
    execFileSync('umount', ['--lazy', directory])
  }
  onTestFinished(release)
  execFileSync('mount', ['-i', '-t', 'fuse', 'none', directory, '-o', options], {
    stdio: ['ignore', 'inherit', 'inherit', server],
  })
  return { release }
}

const untilTold = ['/bin/sh', '-c', 'until [ -e /told ]; do sleep 0.1; done; exit 7']

describe.each(runtimeNames)('a root filesystem that hangs, on %s', (handler) => {
  it(
    'fails its own creates with ERR_TIMEOUT, while exits are recorded, state is written and verbs are answered',
    { timeout: patience(240_000) },
    async () => {
      const host = await hostForTest(handler)
      const { runtime } = host
      const neighbour = await host.start(untilTold)
      const hung = join(host.root, 'hung')
      const { release } = mountHanging(hung)

      // More than libuv has threads.
      const change = (spec: { root?: { path: string } }): void => {
        spec.root = { path: hung }
      }
      const stuck = await Promise.all(
        Array.from({ length: 8 }, () => host.describe(['/bin/true'], { change })),
      )
      const creates = stuck.map(async (container) => {
        await expect(runtime.createContainer(container)).rejects.toMatchObject({
          code: 'ERR_TIMEOUT',
          containerId: container.id,
          file: hung,
        })
      })

      writeFileSync(join(host.rootfs, 'told'), '')
      expect(await runtime.waitContainer(neighbour)).toMatchObject({ kind: 'code', code: 7 })
      expect(JSON.parse(readFileSync(neighbour.statePath, 'utf8'))).toMatchObject({ status: 'stopped' })
      const other = await host.start(['/bin/sleep', '600'])
      expect(await runtime.execSyncContainer(other, ['/bin/true'], 60)).toMatchObject({ exitCode: 0 })
      await runtime.stopContainer(other, 0)
      await runtime.deleteContainer(other)

      await Promise.all(creates)
      release()
      for (const container of stuck) await runtime.deleteContainer(container)
    },
  )
})
