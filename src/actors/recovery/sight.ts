/** Looks at the processes of a container that an earlier supervisor left. Spawns nothing, and never rejects. */
import { timestampOf, type Clock } from '../../surroundings/clock.ts'
import type { Container } from '../../container.ts'
import { bootId, observeProcess, readIdentitySync } from '../../impl/process-identity.ts'
import type { ProcessIdentity, RuntimeImpl } from '../../impl/runtime-impl.ts'
import { withLimit } from '../../surroundings/abort.ts'
import { OciError } from '../../errors/index.ts'
import type { Logger } from '../../surroundings/logger.ts'
import type { StateRecord } from '../../store/state-record.ts'
import type { Seen, Sight } from './judge.ts'

export interface SightScope {
  readonly clock: Clock
  readonly logger: Logger
  /** How long the freezer is waited for: a file, but the file of a kernel that may be busy. */
  readonly limitMs: number
}

export async function sightOf(
  scope: SightScope,
  container: Container,
  impl: RuntimeImpl,
  { state, own }: StateRecord,
): Promise<Sight> {
  const at = timestampOf(scope.clock)
  const isOver = state.status === undefined || (state.status === 'stopped' && state.exit !== undefined)
  const isSameBoot = own.bootId === currentBoot()
  const isThisProcess = isSameBoot && [own.init, own.monitor].some(isUs)
  const unseen = {
    isThisProcess,
    isSameBoot,
    init: 'unknown',
    monitor: 'unknown',
    isFrozen: undefined,
    at,
  } as const
  if (isOver || !isSameBoot) return unseen
  const look = (identity: ProcessIdentity | undefined): Promise<Seen> => seen(scope, impl, identity)
  const [init, monitor] = await Promise.all([look(own.init), look(own.monitor)])
  const isFrozen =
    own.init !== undefined && init === 'alive' && state.started !== undefined
      ? await frozen(scope, container, impl, own.init)
      : undefined
  return { isThisProcess, isSameBoot, init, monitor, isFrozen, at }
}

/** A pid alone says nothing: it may have been a container's before it was ours. */
function isUs(identity: ProcessIdentity | undefined): boolean {
  if (identity?.pid !== process.pid) return false
  return readIdentitySync(process.pid)?.startTicks === identity.startTicks
}

async function seen(
  { logger }: SightScope,
  impl: RuntimeImpl,
  identity: ProcessIdentity | undefined,
): Promise<Seen> {
  if (identity === undefined) return 'unknown'
  try {
    return impl.processState?.(identity) ?? (await observeProcess(identity))
  } catch (error) {
    logger.warn({ pid: identity.pid, err: error }, 'a process of a container cannot be looked at')
    return 'unknown'
  }
}

async function frozen(
  { clock, limitMs, logger }: SightScope,
  container: Container,
  impl: RuntimeImpl,
  init: ProcessIdentity,
): Promise<boolean | undefined> {
  const { id: containerId } = container
  const timedOut = (): OciError =>
    new OciError('ERR_TIMEOUT', `the freezer has not answered within ${limitMs} ms`, { containerId })
  try {
    return await withLimit({ clock, limitMs, timedOut }, async (signal) =>
      impl.isFrozen?.(container, init, { signal }),
    )
  } catch (error) {
    logger.warn({ containerId, err: error }, 'whether the container is frozen cannot be seen')
    return undefined
  }
}

/** Undefined where there is none, as on a laptop: then nothing but a simulated world survives anyway. */
function currentBoot(): string | undefined {
  try {
    return bootId()
  } catch {
    return undefined
  }
}
