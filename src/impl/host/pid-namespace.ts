/** Whether the kernel kills everything in a container together with its init. */
import type { OciSpec } from '../../bundle/oci-spec.ts'

/** A namespace with a path is somebody else's: a pod's, or the host's. */
export function hasOwnPidNamespace(spec: OciSpec): boolean {
  return spec.linux?.namespaces?.some(({ type, path }) => type === 'pid' && (path ?? '') === '') === true
}
