/**
 * Every file and directory of a container that conmon, the runtime or RuntimeOCI makes, by name. CRI-O's names, so that
 * operators' tools find them.
 *
 * Deliberately not here: the log, which is the embedder's, and state.json, which is the store's.
 */
import type { Container } from '../../container.ts'

/** Absolute paths of one container. */
export interface ContainerPaths {
  readonly bundle: string
  readonly configFile: string
  /** The runtime's own state of the container (crun and runc alike). */
  readonly runtimeState: string
  /** conmon's `-P`: the pid of the monitor. */
  readonly monitorPidFile: string
  /** conmon's `-p`: the pid of init, written by the runtime once the container is created. */
  readonly initPidFile: string
  /** SEQPACKET socket. */
  readonly attachSocket: string
  /** Where conmon waits for the runtime to hand over a terminal; with six more characters at the end. */
  readonly consoleSocket: string
  /** FIFO: terminal size and log reopening. */
  readonly controlFifo: string
  /** FIFO: terminal size. */
  readonly windowSizeFifo: string
  /** The link by which conmon gets around the limit of a socket's path. It points to the bundle. */
  readonly attachLink: string
  /** conmon's `--exit-dir` file. Removing it is the exit source's business. */
  readonly exitFile: string
  /** conmon's `--persist-dir` copies. */
  readonly persistedExitFile: string
  readonly persistedOomFile: string
  /** conmon writes this one to its working directory, which is the bundle. */
  readonly bundleOomFile: string
  /** FIFO: conmon's sync pipe, in a directory of ours that takes FIFOs whatever the bundle's file system does. */
  readonly syncFifo: string
  /** What RuntimeOCI has to know of the container after a restart. */
  readonly notesFile: string
}

export interface PathSettings {
  readonly runDir: string
  readonly containerExitsDir: string
  readonly containerAttachSocketDir: string
}

/** sizeof(sockaddr_un.sun_path) on Linux. */
const socketPathMaxBytes = 108

export function containerPaths(
  container: Container,
  settings: PathSettings,
  runtimeRoot: string,
): ContainerPaths {
  const { id, bundlePath: bundle, dir } = container
  return {
    bundle,
    configFile: `${bundle}/config.json`,
    runtimeState: `${runtimeRoot}/${id}`,
    monitorPidFile: `${bundle}/conmon-pidfile`,
    initPidFile: `${bundle}/pidfile`,
    attachSocket: `${bundle}/attach`,
    consoleSocket: `${bundle}/conmon-term`,
    controlFifo: `${bundle}/ctl`,
    windowSizeFifo: `${bundle}/winsz`,
    attachLink: attachLink(settings.containerAttachSocketDir, id),
    exitFile: `${settings.containerExitsDir}/${id}`,
    persistedExitFile: `${dir}/exit`,
    persistedOomFile: `${dir}/oom`,
    bundleOomFile: `${bundle}/oom`,
    syncFifo: `${settings.runDir}/sync/${id}`,
    notesFile: `${dir}/runtime-oci.json`,
  }
}

/** What is left in the bundle, the persist directory, the attach directory and ours, in no order. */
export function madeFiles(paths: ContainerPaths): readonly string[] {
  return [
    paths.monitorPidFile,
    paths.initPidFile,
    paths.attachSocket,
    paths.controlFifo,
    paths.windowSizeFifo,
    paths.attachLink,
    paths.persistedExitFile,
    paths.persistedOomFile,
    paths.bundleOomFile,
    paths.syncFifo,
    paths.notesFile,
  ]
}

/** conmon cuts the last character off a link whose path is exactly as long as a socket's may be. */
function attachLink(directory: string, id: string): string {
  const path = `${directory}/${id}`
  return Buffer.byteLength(path) === socketPathMaxBytes - 1 ? path.slice(0, -1) : path
}
