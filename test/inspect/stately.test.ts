import { createWebSocketReceiver, type StatelyInspectionEvent } from '@statelyai/inspect'
import { expect, it } from 'vitest'
import { becomesTrue, openInspected, streamUrl, Watcher } from './inspected.ts'

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
  const isPaused = (event: StatelyInspectionEvent): boolean =>
    event.type === '@xstate.snapshot' && JSON.stringify(event.snapshot).includes('"life":"paused"')
  await becomesTrue(() => seen.some(isPaused))
  const events = seen.flatMap((event) => (event.type === '@xstate.event' ? [event.event.type] : []))
  expect(events).toContain('container.pause')
  for (const event of seen)
    expect(event).toMatchObject({ _version: expect.any(String), createdAt: expect.any(String) })
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

it('shows a container that is made later', async () => {
  await using inspected = await openInspected()
  const watcher = new Watcher(streamUrl(inspected, '/stately'))
  await new Promise((resolve) => watcher.socket.once('open', resolve))
  await inspected.run({ id: 'late' })
  await watcher.frame(({ name }) => name === 'late')
  await watcher.close()
})
