/** How the package's helper programs are run: by Node, as files, so they cannot be part of a bundle. */
import { resolve as resolvePath } from 'node:path'
import { isSea } from 'node:sea'
import { fileURLToPath } from 'node:url'
import { OciError } from '../errors/index.ts'
import { searchPath } from './search-path.ts'

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

/** Says to a process that it was started as a helper program. */
const helperMark = 'OCI_SUPERVISOR_HELPER'

/** The environment of a helper program: nothing of the embedder's but PATH, and how it was meant. */
export function helperEnvironment(): Record<string, string> {
  return { PATH: searchPath(), [helperMark]: 'yes' }
}

/** What is to be known of a process for the choice of the Node that runs its helpers. */
export interface NodeFacts {
  readonly execPath: string
  readonly isSea: boolean
  readonly versions: Readonly<Record<string, string | undefined>>
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * The Node that runs the helpers: `nodePath` as it is found from any directory, or the one that runs this process. Throws
 * ERR_INVALID_ARGUMENT with the field `nodePath` when that is the application itself: it would start itself again, and
 * so on without end.
 */
export function nodeProgram(
  nodePath: string | undefined,
  { execPath, isSea: single, versions, env }: NodeFacts = thisProcess(),
): string {
  if (env[helperMark] !== undefined) {
    const message = `${execPath} was started as a helper program of another process: nodePath must name a Node and launcherPath the helper's script, not the application`
    throw badNodePath(message)
  }
  // The helpers' working directory is `/`; a bare name is looked up in PATH.
  if (nodePath !== undefined) return nodePath.includes('/') ? resolvePath(nodePath) : nodePath
  const kind = single ? 'a single executable application' : 'an Electron application'
  if (!single && versions['electron'] === undefined) return execPath
  throw badNodePath(`nodePath must name a Node: this process is ${kind}, so ${execPath} is not one`)
}

function thisProcess(): NodeFacts {
  const { execPath, versions, env } = process
  return { execPath, isSea: isSea(), versions, env }
}

function badNodePath(message: string): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', message, { field: 'nodePath', operation: 'open' })
}

/**
 * The attach bridge of the package that this launcher is part of. Undefined for a launcher in another place: a bundle of
 * its own, or a wrapper.
 */
export function attachBridgeBeside(launcherPath: string): string | undefined {
  const ofPackage = /^(.*\/)?impl\/launcher\/main\.([jt]s)$/u.exec(launcherPath)
  return ofPackage === null ? undefined : `${ofPackage[1] ?? ''}impl/attach-bridge/main.${ofPackage[2]}`
}
