/**
 * Every file and directory of a container that a shim, its runtime or RuntimeVM makes, by name.
 *
 * Deliberately not here: the log, which is the embedder's, state.json, which is the store's, and the shim's socket, whose
 * path the shim itself says.
 */
import type { Container } from '../../container.ts'

/** Absolute paths of one container. */
export interface VmPaths {
  readonly bundle: string
  readonly configFile: string
  /** The OCI runtime's own state of the container, where the shim runs one. */
  readonly runtimeState: string
  /** The shim's note of its socket. */
  readonly addressFile: string
  /** FIFO: what the shim complains of. */
  readonly shimLog: string
  /** The FIFOs of the container's own streams. */
  readonly streamsDirectory: string
  /** Kata's note that the kernel ran out of memory. */
  readonly oomFile: string
  /** What RuntimeVM has to know of the container after a restart. */
  readonly notesFile: string
}

export function vmPaths(
  { id, bundlePath: bundle, dir }: Container,
  runDir: string,
  ociRoot: string,
): VmPaths {
  return {
    bundle,
    configFile: `${bundle}/config.json`,
    runtimeState: `${ociRoot}/${id}`,
    addressFile: `${bundle}/address`,
    shimLog: `${bundle}/log`,
    streamsDirectory: `${streamsRoot(runDir)}/${id}`,
    oomFile: `${bundle}/oom`,
    notesFile: `${dir}/runtime-vm.json`,
  }
}

/** What a reboot may take of RuntimeVM. */
export function vmDirectory(runDir: string): string {
  return `${runDir}/vm`
}

/** Where the streams of all containers are. */
export function streamsRoot(runDir: string): string {
  return `${vmDirectory(runDir)}/streams`
}

/** What a shim and its runtime leave in the bundle, but for the address of the shim. */
export const madeInBundle: ReadonlySet<string> = new Set([
  'log',
  'oom',
  'init.pid',
  'log.json',
  'options.json',
  'runtime',
  'shim-binary-path',
])
