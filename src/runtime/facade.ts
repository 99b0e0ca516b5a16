/** The seed's RuntimeImpl: the verbs of one container. */
import type { Duplex } from 'node:stream'
import type { Container } from '../container.ts'
import type { ExecExit } from '../impl/exec-port.ts'
import type { AttachOptions, AttachSession, ContainerStats, ExecSyncResult } from '../impl/runtime-impl.ts'
import type { OciLinuxResources } from '../bundle/oci-spec.ts'
import type { CallOptions, ExecSyncOptions, Runtime } from '../runtime.ts'

/** Verbs with the container filled in. Parity: the seed's RuntimeImpl interface, whose methods all take it. */
export interface RuntimeFacade {
  createContainer(cgroupParent?: string, options?: CallOptions): Promise<void>
  startContainer(options?: CallOptions): Promise<void>
  stopContainer(timeoutSeconds: number, options?: CallOptions): Promise<void>
  deleteContainer(options?: Parameters<Runtime['deleteContainer']>[1]): Promise<void>
  updateContainerStatus(options?: CallOptions): Promise<void>
  updateContainer(resources: OciLinuxResources, options?: CallOptions): Promise<void>
  execSyncContainer(
    command: readonly string[],
    timeoutSeconds?: number,
    options?: ExecSyncOptions,
  ): Promise<ExecSyncResult>
  execContainer(
    command: readonly string[],
    options?: Parameters<Runtime['execContainer']>[2],
  ): Promise<ExecExit>
  attachContainer(request: AttachOptions, options?: CallOptions): Promise<AttachSession>
  portForwardContainer(port: number, stream: Duplex, options?: CallOptions): Promise<void>
  reopenContainerLog(options?: CallOptions): Promise<void>
  containerStats(options?: CallOptions): Promise<ContainerStats>
  pauseContainer(options?: CallOptions): Promise<void>
  unpauseContainer(options?: CallOptions): Promise<void>
  signalContainer(signal: string | number, options?: CallOptions): Promise<void>
  waitContainerStateStopped(options?: CallOptions): Promise<void>
}

export function createRuntimeFacade(runtime: Runtime, container: Container): RuntimeFacade {
  return {
    createContainer: (cgroupParent, options) => runtime.createContainer(container, cgroupParent, options),
    startContainer: (options) => runtime.startContainer(container, options),
    stopContainer: (timeoutSeconds, options) => runtime.stopContainer(container, timeoutSeconds, options),
    deleteContainer: (options) => runtime.deleteContainer(container, options),
    updateContainer: (resources, options) => runtime.updateContainer(container, resources, options),
    execSyncContainer: (command, timeoutSeconds, options) =>
      runtime.execSyncContainer(container, command, timeoutSeconds, options),
    execContainer: (command, options) => runtime.execContainer(container, command, options),
    attachContainer: (request, options) => runtime.attachContainer(container, request, options),
    portForwardContainer: (port, stream, options) =>
      runtime.portForwardContainer(container, port, stream, options),
    reopenContainerLog: (options) => runtime.reopenContainerLog(container, options),
    containerStats: (options) => runtime.containerStats(container, options),
    updateContainerStatus: (options) => runtime.updateContainerStatus(container, options),
    pauseContainer: (options) => runtime.pauseContainer(container, options),
    unpauseContainer: (options) => runtime.unpauseContainer(container, options),
    signalContainer: (signal, options) => runtime.signalContainer(container, signal, options),
    waitContainerStateStopped: (options) => runtime.waitContainerStateStopped(container, options),
  }
}
