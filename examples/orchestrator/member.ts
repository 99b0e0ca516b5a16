/** From an entry of the stack to a container that can be created: its spec, its bundle, its id. */
import { join } from 'node:path'
import { Container, defaultSpec, writeBundle } from 'oci-supervisor'
import type { StackEntry } from './stack.ts'

/** One container of the stack. */
export interface Member {
  readonly entry: StackEntry
  readonly container: Container
}

export interface Directories {
  /** Unique on this host; ids begin with it. */
  readonly prefix: string
  readonly root: string
  readonly rootfs: string
}

/** Writes the bundle. Nothing exists in the runtime before `createContainer`. */
export async function makeMember(entry: StackEntry, { prefix, root, rootfs }: Directories): Promise<Member> {
  const id = `${prefix}-${entry.name}`
  const bundlePath = join(root, 'bundles', entry.name)
  const spec = defaultSpec({
    rootfs,
    args: entry.args,
    readonlyRootfs: true,
    // Absolute: crun and runc mean different groups by a relative path.
    cgroupsPath: `/${id}`,
    ...(entry.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: entry.memoryLimitBytes }),
  })
  await writeBundle(bundlePath, spec)
  const container = new Container({ id, name: entry.name, bundlePath, labels: { stack: prefix } })
  container.setSpec(spec)
  return { entry, container }
}
