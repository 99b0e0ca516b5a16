/** Where the root filesystem of a bundle is. */
import { isAbsolute, join } from 'node:path'

/** The root filesystem on the host; a relative path counts from the bundle. */
export function rootfsPath(bundle: string, path: string | undefined): string {
  return path !== undefined && isAbsolute(path) ? path : join(bundle, path ?? 'rootfs')
}
