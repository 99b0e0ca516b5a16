/** A root filesystem of busybox, made once per test file and shared by its containers: they do not write to it. */
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

const applets = [
  'sh',
  'true',
  'false',
  'sleep',
  'cat',
  'echo',
  'tail',
  'dd',
  'env',
  'kill',
  'ls',
  'ps',
  'wc',
  'seq',
]

/** Makes `<directory>/rootfs` and returns its path. Needs Debian's busybox-static. */
export function makeRootfs(directory: string): string {
  const rootfs = join(directory, 'rootfs')
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'])
    mkdirSync(join(rootfs, name), { recursive: true })
  copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'))
  for (const applet of applets) symlinkSync('busybox', join(rootfs, 'bin', applet))
  return rootfs
}
