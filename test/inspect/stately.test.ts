import { createWebSocketReceiver, type StatelyInspectionEvent } from '@statelyai/inspect'
import { expect, it } from 'vitest'
import { statelyContainersMax } from '../../src/inspect/stately.ts'
import { becomesTrue, openInspected, streamUrl, Watcher } from './inspected.ts'

function isPaused(event: StatelyInspectionEvent): boolean {
  return event.type === '@xstate.snapshot' && JSON.stringify(event.snapshot).includes('"life":"paused"')
}

it('tells a stock receiver that comes late of every machine there is, then every event and state', async () => {
  await using inspected = await openInspected()
  const web = await inspected.run({ id: 'web' })
  await inspected.run({ id: 'db' })
  const seen: StatelyInspectionEvent[] = []
  const receiver = createWebSocketReceiver({ server: inspected.inspector.statelyUrl })
  receiver.subscribe((event) => seen.push(event))
  await becomesTrue(() => seen.filter(({ type }) => type === '@xstate.actor').length === 2)
  const actor = seen.find((event) => event.type === '@xstate.actor' && event.name === 'web')
  expect(actor).toMatchObject({
    sessionId: 'container:web',
    snapshot: { status: 'active', value: { live: { life: 'running' } } },
  })
  expect(actor).toHaveProperty('definition', expect.stringContaining('"initial":"registered"'))

  await inspected.runtime.pauseContainer(web)
  await becomesTrue(() => seen.some(isPaused))
  const events = seen.flatMap((event) => (event.type === '@xstate.event' ? [event.event.type] : []))
  expect(events).toContain('container.pause')
  expect(seen.every(({ _version, createdAt }) => _version !== '' && createdAt !== '')).toBe(true)
})

it('shows only the containers that are asked for', async () => {
  await using inspected = await openInspected()
  await inspected.run({ id: 'web' })
  await inspected.run({ id: 'db' })
  const watcher = new Watcher(streamUrl(inspected, '/stately', { id: 'db' }))
  await watcher.frame(({ name }) => name === 'db')
  await inspected.run({ id: 'late' })
  const other = new Watcher(streamUrl(inspected, '/stately', { id: 'late' }))
  await other.frame(({ name }) => name === 'late')
  expect(watcher.frames.map(({ sessionId }) => sessionId)).toEqual(['container:db'])
  await watcher.close()
  await other.close()
})

it('shows the newest machines only, where there are more than one client is shown', async () => {
  await using inspected = await openInspected()
  for (let n = 0; n <= statelyContainersMax; n += 1) await inspected.run({ id: `c-${n}` })
  const watcher = new Watcher(streamUrl(inspected, '/stately'))
  await watcher.frame(({ name }) => name === 'c-1')
  expect(watcher.frames).toHaveLength(statelyContainersMax)
  await watcher.close()
})

it('shows a container that is made later', async () => {
  await using inspected = await openInspected()
  const watcher = new Watcher(streamUrl(inspected, '/stately'))
  await new Promise((resolve) => watcher.socket.once('open', resolve))
  await inspected.run({ id: 'late' })
  expect(await watcher.frame(({ name }) => name === 'late')).toMatchObject({ type: '@xstate.actor' })
  await watcher.close()
})
