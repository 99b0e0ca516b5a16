/** What a machine's state looks like from outside: the plain snapshot that embedders read, and the record on disk. */
import type { Container, ContainerPhase, ContainerState, ExitStatus, Timestamp } from '../container.ts'
import type { ContainerContext } from '../machines/context.ts'
import { statusOf } from '../machines/phase.ts'
import { settingsOf, type StateRecord } from '../store/state-record.ts'

/** The code CRI-O reports where none is known. */
const unknownExitCode = 255

/** What does not change while the container is registered. */
export interface ContainerFacts {
  readonly container: Container
  readonly ociVersion: string
  readonly handler: string
  readonly runtimeRoot: string
  /** Of the boot in which its processes were seen. */
  readonly bootId: string | undefined
}

export function containerStateOf(
  { container, ociVersion }: Pick<ContainerFacts, 'container' | 'ociVersion'>,
  context: ContainerContext,
  phase: ContainerPhase,
  durable: boolean,
): ContainerState {
  const { exit } = context
  const isAlive = exit === undefined && phase !== 'deleted'
  return {
    ociVersion,
    id: container.id,
    status: statusOf(phase),
    pid: isAlive ? (context.init?.pid ?? 0) : 0,
    bundle: container.bundlePath,
    annotations: container.annotations,
    created: context.created,
    started: context.started,
    finished: exit?.finished,
    exitCode: exit === undefined ? undefined : compatibleExitCode(exit),
    oomKilled: exit?.oomKilled ?? false,
    error: context.error?.message,
    exit,
    durable,
  }
}

export function stateRecordOf(
  { container, handler, runtimeRoot, bootId }: ContainerFacts,
  context: ContainerContext,
  state: ContainerState,
  since: Timestamp,
): StateRecord {
  const { stop, exit } = context
  return {
    state,
    own: {
      generation: context.started === undefined ? 0 : 1,
      stop:
        stop === undefined || exit !== undefined
          ? undefined
          : { timeoutMs: stop.timeoutMs, requestedAt: stop.requestedAt },
      since,
      handler,
      runtimeRoot,
      init: context.init,
      monitor: context.monitor,
      bootId,
      monitorLost: context.monitorLostAt,
      errorCode: context.error?.code,
      settings: settingsOf(container),
    },
  }
}

function compatibleExitCode(exit: ExitStatus): number {
  return exit.kind === 'code' ? exit.code : unknownExitCode
}
