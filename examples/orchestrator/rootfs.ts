/** A root filesystem for all containers of the demo: a static busybox and links to it. Containers get it read-only. */
import { copyFile, mkdir, open, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { CannotBegin } from './cannot-begin.ts'
import { findProgram } from './host.ts'

/** The commands that containers have, all of them in /bin. */
const applets =
  'cat dd echo env false head hostname id kill ls ps sh sleep tail test touch true uname wc yes'.split(' ')

/** Mounts need a place, and a read-only root filesystem gets no new ones. */
const mountPoints = ['dev', 'proc', 'sys', 'tmp']

/** Makes the root filesystem in `directory`, which must not exist. */
export async function makeRootfs(directory: string): Promise<void> {
  const busybox = await staticBusybox()
  await mkdir(join(directory, 'bin'), { recursive: true })
  await copyFile(busybox, join(directory, 'bin/busybox'))
  for (const applet of applets) await symlink('busybox', join(directory, 'bin', applet))
  for (const name of mountPoints) await mkdir(join(directory, name))
}

/** True for a command that the root filesystem has. */
export function isInRootfs(command: string): boolean {
  return ['busybox', ...applets].includes(command.startsWith('/bin/') ? command.slice(5) : command)
}

async function staticBusybox(): Promise<string> {
  const path = await findProgram('busybox')
  if (path === undefined)
    throw new CannotBegin('busybox is not installed; install the package busybox-static')
  if (await isStatic(path)) return path
  throw new CannotBegin(`${path} needs shared libraries; install the package busybox-static`)
}

/** A dynamic program names its loader near its beginning. */
async function isStatic(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0)
    return !/\/ld-(?:linux|musl)/.test(buffer.toString('latin1', 0, bytesRead))
  } finally {
    await file.close()
  }
}
