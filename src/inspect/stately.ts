/**
 * The wire format of @statelyai/inspect, for tools that speak it: one JSON text per frame, of an actor, an event or a
 * snapshot. What the stock server lacks: a client that comes late gets an actor and a snapshot of everything there is.
 *
 * The context of a snapshot is a chosen part of ours, and errors are codes: the format has no place for redaction.
 */
import type { InspectionEvent } from 'xstate'
import { isOciError } from '../errors/index.ts'
import type { Client } from './client.ts'
import type { Observers } from './observers.ts'
import type { WatchedActor, WatchedRuntime } from './watched.ts'

/** Machines that one client is shown; the format repeats the definition for each. */
export const statelyContainersMax = 200
/** Of the format that is spoken. */
const formatVersion = '0.7.2'

/** Shows the containers of these ids, or the newest ones and those to come, until the client leaves. */
export async function watchAsStately(
  runtime: WatchedRuntime,
  observers: Observers,
  ids: readonly string[] | undefined,
  client: Client,
): Promise<void> {
  const shown = new Map<string, () => void>()
  const show = async (actor: WatchedActor): Promise<void> => {
    const { id } = actor.container
    const sessionId = `container:${id}`
    shown.set(
      id,
      observers.add(actor, (event) => {
        const text = frameOf(event, actor, sessionId)
        if (text !== undefined) client.send(text)
      }),
    )
    await client.sendAndWait(actorFrame(actor, sessionId))
  }
  const events = runtime.events.events$.subscribe((event) => {
    const { containerId: id } = event
    const actor = runtime.registry.get(id)
    if (event.type === 'deleted') {
      shown.get(id)?.()
      shown.delete(id)
    } else if (actor !== undefined && isWanted(id)) void show(actor)
  })
  const isWanted = (id: string): boolean =>
    !shown.has(id) && shown.size < statelyContainersMax && (ids === undefined || ids.includes(id))
  client.ended.addEventListener('abort', () => {
    events.unsubscribe()
    for (const stop of shown.values()) stop()
  })
  for (const actor of runtime.registry.actors.toReversed()) {
    if (client.ended.aborted) return
    if (isWanted(actor.container.id)) await show(actor)
  }
}

function actorFrame({ container, snapshot }: WatchedActor, sessionId: string): string {
  return frame('@xstate.actor', sessionId, {
    name: container.id,
    // Functions are not data and fall away.
    definition: JSON.stringify(snapshot.machine.config),
    snapshot: snapshotOf(snapshot),
  })
}

function frameOf(event: InspectionEvent, actor: WatchedActor, sessionId: string): string | undefined {
  // The machine itself; its effects are actors of their own, in the same system.
  if (event.actorRef.sessionId !== event.rootId) return undefined
  if (event.type === '@xstate.event') {
    return frame('@xstate.event', sessionId, { event: plainEvent(event.event), sourceId: undefined })
  }
  if (event.type !== '@xstate.snapshot') return undefined
  const snapshot = snapshotOf(actor.snapshot)
  return frame('@xstate.snapshot', sessionId, { event: plainEvent(event.event), snapshot })
}

function frame(type: string, sessionId: string, rest: object): string {
  const common = { _version: formatVersion, createdAt: Date.now().toString(), id: null, rootId: sessionId }
  return JSON.stringify({ type, sessionId, ...common, ...rest })
}

function snapshotOf({ status, value, context }: WatchedActor['snapshot']): object {
  const { id, init, created, started, exit, error, attempts, durable, waiting, deferred } = context
  return {
    status,
    value,
    context: {
      id,
      pid: init?.pid,
      created,
      started,
      exit,
      error: error?.code,
      attempts,
      durable,
      waiting: waiting.map(({ verb }) => verb),
      deferred: deferred.map(({ type }) => type),
    },
    children: {},
    tags: [],
    historyValue: {},
  }
}

/** An event without what is not plain; an error is its code. */
function plainEvent(event: { readonly type: string }): object {
  const plain: Record<string, unknown> = {}
  for (const [name, value] of Object.entries<unknown>({ ...event })) {
    if (isOciError(value)) plain[name] = value.code
    else if (typeof value !== 'object' && typeof value !== 'function') plain[name] = value
  }
  return plain
}
