/** A runtime on this host for benchmarks: busybox, a temporary directory, crun or runc. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle, type Config } from '../src/index.ts'
import { makeRootfs } from '../test/support/rootfs.ts'

export interface RealRuntime {
  readonly config: Config
  readonly runtime: Runtime
  /** All containers have the same. */
  readonly rootfs: string
  makeContainer(args: readonly string[]): Promise<Container>
  /** What is left in the directories of exits, attach sockets and states. */
  leftovers(): string[]
  close(): Promise<void>
}

export async function openRealRuntime(handler: string): Promise<RealRuntime> {
  const root = mkdtempSync(join(tmpdir(), 'bench-'))
  const rootfs = makeRootfs(root)
  const runtimePath = execFileSync('/bin/sh', ['-c', `command -v ${handler}`], { encoding: 'utf8' }).trim()
  const config = defineConfig({
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  })
  const runtime = await Runtime.open(config)
  let made = 0
  return {
    config,
    runtime,
    rootfs,
    makeContainer: async (args) => {
      made += 1
      const id = `bench-${process.pid}-${made}`
      const bundlePath = join(root, 'bundles', id)
      await writeBundle(bundlePath, defaultSpec({ rootfs, args: [...args], cgroupsPath: `/${id}` }))
      return new Container({ id, bundlePath })
    },
    leftovers: () => {
      const directories = [
        config.containerExitsDir,
        config.containerAttachSocketDir,
        join(config.stateDir, 'index'),
      ]
      return directories.flatMap((directory) => readdirSync(directory).map((name) => join(directory, name)))
    },
    close: async () => {
      await runtime.close()
      rmSync(root, { recursive: true })
    },
  }
}
