/** Where the package's helper programs are. They are run by Node as files, so they cannot be part of a bundle. */
import { fileURLToPath } from 'node:url'
import { OciError } from '../errors/index.ts'

export interface OwnProgram {
  /** The folder below `impl` that the module and its program share. */
  readonly folder: 'launcher' | 'attach-bridge'
  /** The option of `Runtime.open` that names the program where it is not found. */
  readonly field: 'launcherPath' | 'attachBridgePath'
}

/**
 * The program beside the module with this address, in whichever form the module itself is. Throws ERR_INVALID_ARGUMENT
 * when the module is not where the package has it: then it was bundled, and what stands beside it as `main.js` may be the
 * embedder's own program, which must not be started as ours: it would start itself again, and so on.
 */
export function ownProgram(moduleUrl: string | undefined, { folder, field }: OwnProgram): string {
  // A bundle of CommonJS has no address at all.
  const ownFile = moduleUrl === undefined ? null : /\/impl\/([^/]+)\/[^/]+\.([jt]s)$/u.exec(moduleUrl)
  if (moduleUrl === undefined || ownFile?.[1] !== folder) {
    const message = `${field} must name dist/impl/${folder}/main.js of this package, since the library is bundled into ${moduleUrl ?? 'a CommonJS file'}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { field, operation: 'open' })
  }
  return fileURLToPath(new URL(`./main.${ownFile[2]}`, moduleUrl))
}

/**
 * The attach bridge of the package that this launcher is part of. Undefined for a launcher in another place: a bundle of
 * its own, or a wrapper.
 */
export function attachBridgeBeside(launcherPath: string): string | undefined {
  const ofPackage = /^(.*\/)?impl\/launcher\/main\.([jt]s)$/u.exec(launcherPath)
  return ofPackage === null ? undefined : `${ofPackage[1] ?? ''}impl/attach-bridge/main.${ofPackage[2]}`
}
