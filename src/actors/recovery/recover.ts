/**
 * Recovery: takes up what an earlier supervisor left. First everything is adopted as disk and processes say, which needs
 * nobody's answer; then exits are looked for; only then is a runtime asked, and that holds up nobody else.
 *
 * Deliberately not here: what is made of what is found (`judge.ts`), and what a container does from then on.
 */
import { Container } from '../../container.ts'
import { OciError, toOciError } from '../../errors/index.ts'
import type { Logger } from '../../surroundings/logger.ts'
import type { Survivor, SurvivorEntry, Survivors } from '../../store/state-directory.ts'
import { restoreSettings, type StateRecord } from '../../store/state-record.ts'
import type { ContainerActorOptions } from '../actor-world.ts'
import { createLanes } from '../lanes.ts'
import { judge } from './judge.ts'
import type { RecoveryReport } from './report.ts'
import type { Findings, RecoveryScope, Taken } from './scope.ts'
import { settle } from './settle.ts'
import { sightOf } from './sight.ts'

/** Reading takes libuv's few threads; more than this makes nothing faster. */
const loadsAtOnceMax = 16

/** Rejects with ERR_IO when the index cannot be read. */
export async function recover(scope: RecoveryScope): Promise<RecoveryReport> {
  const beganMs = scope.clock.now()
  const findings: Findings = { quarantined: [], unresolved: [] }
  const entries = (await scope.survivors?.list()) ?? []
  const lanes = createLanes(loadsAtOnceMax)
  const found = await Promise.all(
    entries.map((entry) => lanes.run(() => tryToTakeUp(scope, entry, findings))),
  )
  const taken = found.filter((one) => one !== undefined)
  const outcome = await settle(scope, taken, findings)
  const report = {
    ...outcome,
    ...findings,
    since: scope.since,
    durationMs: Math.round(scope.clock.now() - beganMs),
  }
  tell(scope.logger, report)
  return report
}

async function tryToTakeUp(
  scope: RecoveryScope,
  entry: SurvivorEntry,
  findings: Findings,
): Promise<Taken | undefined> {
  const { registry, survivors } = scope
  if (survivors === undefined || (entry.id !== undefined && registry.has(entry.id))) return undefined
  try {
    const survivor = await survivors.load(entry)
    return survivor && (await takeUp(scope, survivor))
  } catch (error) {
    const reason = toOciError(error, 'ERR_INTERNAL', { containerId: entry.id })
    if (reason.code === 'ERR_STATE_CORRUPT') await quarantine(scope, survivors, entry, reason, findings)
    // A container of that id was created meanwhile, which the caller has to answer for.
    else if (reason.code !== 'ERR_CONTAINER_EXISTS') unresolved(findings, entry, reason)
    return undefined
  }
}

async function takeUp(scope: RecoveryScope, { options, record }: Survivor): Promise<Taken> {
  const container = new Container(options)
  restoreSettings(container, record.own.settings)
  const actorOptions = optionsFor(scope, container, record)
  const { impl, handler, runtimeRoot } = actorOptions
  const sight = await sightOf(scope, container, impl, record)
  const verdict = judge(record, sight)
  if (verdict.kind === 'quarantine') {
    throw new OciError('ERR_STATE_CORRUPT', `${container.statePath} ${verdict.why}`, {
      file: container.statePath,
    })
  }
  impl.adopt?.(container, { handler, runtimeRoot, wasCreated: record.state.created !== undefined })
  const actor = scope.registry.register({ ...actorOptions, adopt: verdict.adopt, record })
  try {
    scope.list(container)
  } catch (error) {
    const failure = toOciError(error, 'ERR_INTERNAL', { containerId: container.id })
    await scope.registry.unregister(actor, failure)
    throw failure
  }
  return { actor, verdict, record }
}

function optionsFor(scope: RecoveryScope, container: Container, { own }: StateRecord): ContainerActorOptions {
  const options = scope.optionsFor(container, own.handler ?? container.runtimeHandler ?? '')
  return own.runtimeRoot === undefined ? options : { ...options, runtimeRoot: own.runtimeRoot }
}

async function quarantine(
  { logger }: RecoveryScope,
  survivors: Survivors,
  entry: SurvivorEntry,
  reason: OciError,
  findings: Findings,
): Promise<void> {
  const { code, message: why } = reason
  try {
    const file = await survivors.quarantine(entry, reason)
    logger.error(
      { containerId: entry.id, file, err: reason },
      'a container cannot be taken up and is set aside',
    )
    findings.quarantined.push({ id: entry.id, file, code, why })
  } catch (error) {
    logger.error({ containerId: entry.id, err: error }, 'a container cannot be taken up, nor set aside')
    unresolved(findings, entry, reason)
  }
}

function unresolved(findings: Findings, entry: SurvivorEntry, { code, message: why }: OciError): void {
  findings.unresolved.push({ id: entry.id ?? entry.name, code, why })
}

function tell(logger: Logger, report: RecoveryReport): void {
  const { adopted, exited, removed, quarantined, unresolved: open, durationMs } = report
  const counts = {
    adopted: adopted.length,
    exited: exited.length,
    removed: removed.length,
    quarantined: quarantined.length,
    unresolved: open.length,
  }
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
  if (total > 0) logger.info({ ...counts, durationMs }, 'containers of an earlier supervisor are taken up')
}
