/**
 * What the examples of this folder have in common: a runtime of its own in a temporary directory, and one busybox
 * container that sleeps in it. Needs root, conmon, runc and a static busybox. crun does as well, where its cgroups are in
 * order: `OCI_RUNTIME=/usr/bin/crun`.
 */
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Container, defaultSpec, defineConfig, Runtime, writeBundle } from 'oci-supervisor'

export interface Sandbox {
  readonly runtime: Runtime
  readonly container: Container
}

/** Runs `use` with a container that lives as long. `args` is its command. */
export async function withSandbox(
  use: (sandbox: Sandbox) => Promise<void>,
  args: readonly string[] = ['/bin/sleep', '1000'],
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sandbox-'))
  const runtimePath = process.env['OCI_RUNTIME'] ?? '/usr/sbin/runc'
  const handler = basename(runtimePath)
  const runtime = await Runtime.open(
    defineConfig({
      defaultRuntime: handler,
      runtimes: { [handler]: { runtimePath, runtimeRoot: join(directory, 'runtime') } },
      stateDir: join(directory, 'state'),
      runDir: join(directory, 'run'),
    }),
  )
  try {
    const rootfs = await makeRootfs(join(directory, 'rootfs'))
    const bundlePath = join(directory, 'bundle')
    await writeBundle(bundlePath, defaultSpec({ rootfs, args: [...args] }))
    const container = new Container({ id: basename(directory), bundlePath })
    try {
      await runtime.createContainer(container)
      await runtime.startContainer(container)
      await use({ runtime, container })
    } finally {
      await runtime.deleteContainer(container)
    }
  } finally {
    await runtime.close()
    await rm(directory, { recursive: true })
  }
}

async function makeRootfs(rootfs: string): Promise<string> {
  for (const name of ['bin', 'dev', 'proc', 'sys', 'tmp'])
    await mkdir(join(rootfs, name), { recursive: true })
  await copyFile('/bin/busybox', join(rootfs, 'bin/busybox'))
  for (const applet of ['cat', 'echo', 'nc', 'sh', 'sleep', 'stty', 'tty', 'uname']) {
    await symlink('busybox', join(rootfs, 'bin', applet))
  }
  return rootfs
}
