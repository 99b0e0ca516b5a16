/**
 * Stops in company: of each other, of aborts, of pauses and starts that hang, of people with a shell. Every caller gets an
 * answer, and nothing of the container is left.
 */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Container } from '../../src/index.ts'
import { ignoresTerm } from '../contract/harness.ts'
import {
  codeOf,
  hostForTest,
  openFacadeHost,
  signalFromOutside,
  watchEvents,
  type FacadeHost,
  type RuntimeName,
} from './facade-host.ts'
import { cgroupsOf, processesNaming, until } from './oci-host.ts'
import { patience } from '../support/patience.ts'

const SIGKILL = 9

/** Ends with 7 when it is asked to, and tells in `file` that it can be asked. */
const endsWhenAsked = (file: string): string[] => [
  '/bin/sh',
  '-c',
  `trap "exit 7" TERM; echo > ${file}; while :; do sleep 0.05; done`,
]

/** Holds up a verb of the runtime before or after it has done its work, until the test lets it go on. */
const heldUp = (verb: string, when: 'before' | 'after'): string => `if [ $verb = ${verb} ]; then
${when === 'after' ? '"$real" "$@" || exit' : ''}
: > $0.held
until [ -e $0.go ]; do sleep 0.02; done
${when === 'after' ? 'exit' : ''}
fi`

describe.each<RuntimeName>(['crun', 'runc'])('a stop on %s', (handler) => {
  let host: FacadeHost
  beforeAll(async () => {
    host = await openFacadeHost(handler)
  })
  afterAll(() => host.close())

  function expectGone(container: Container, from: FacadeHost = host): void {
    expect(container.phase).toBe('deleted')
    expect(existsSync(from.runtimeState(container.id))).toBe(false)
    expect(cgroupsOf(container.id)).toEqual([])
    expect(processesNaming(container.id)).toEqual([])
    expect(readdirSync(from.config.containerExitsDir)).not.toContain(container.id)
  }

  // Within the limit nobody can have waited for more than the shortest of the graces.
  it(
    'answers fifty callers when the shortest of their graces is over',
    { timeout: patience(15_000) },
    async () => {
      const container = await host.run(ignoresTerm)
      const events = watchEvents(host.runtime)
      const graces = Array.from({ length: 50 }, (_, index) => 50 - index)
      const stops = await Promise.allSettled(
        graces.map((seconds) => host.runtime.stopContainer(container, seconds)),
      )
      expect(stops.map(({ status }) => status)).toEqual(graces.map(() => 'fulfilled'))
      expect(container.state.exit).toMatchObject({ kind: 'code', code: 137, oomKilled: false })
      expect(events.of(container)).toEqual(['exited'])
      await host.runtime.deleteContainer(container)
      expectGone(container)
    },
  )

  it('goes on when its caller stops waiting for it', async () => {
    const container = await host.run(ignoresTerm)
    const abort = new AbortController()
    const stop = codeOf(host.runtime.stopContainer(container, 0.3, { signal: abort.signal }))
    abort.abort()
    expect(await stop).toBe('ERR_ABORTED')
    expect(container.phase).toMatch(/^stopping\./)
    expect(await host.runtime.waitContainer(container)).toMatchObject({ code: 137 })
    await host.runtime.deleteContainer(container)
  })

  it('without a limit yields to one that kills at once', async () => {
    const container = await host.run(ignoresTerm)
    const patient = host.runtime.stopContainer(container, Number.POSITIVE_INFINITY)
    await until('it waits', () => container.phase === 'stopping.grace')
    await host.runtime.stopContainer(container, 0)
    await patient
    expect(container.state.exit).toMatchObject({ code: 137 })
    await host.runtime.deleteContainer(container)
  })

  it('thaws a paused container and lets it end in its own way', async () => {
    const ready = `/tmp/paused-${handler}`
    const container = await host.run(endsWhenAsked(ready))
    await until('the trap is set', () => existsSync(join(host.rootfs, ready)))
    await host.runtime.pauseContainer(container)
    await host.runtime.stopContainer(container, 600)
    expect(container.state.exit).toMatchObject({ code: 7 })
    await host.runtime.deleteContainer(container)
  })

  it('kills a paused container that does not end', async () => {
    const container = await host.run(ignoresTerm)
    await host.runtime.pauseContainer(container)
    await host.runtime.stopContainer(container, 0.2)
    expect(container.state.exit).toMatchObject({ code: 137 })
    await host.runtime.deleteContainer(container)
    expectGone(container)
  })

  it.each(['before', 'after'] as const)('prevails over a pause that hangs %s it froze', async (when) => {
    const slow = await hostForTest(handler, { wrapper: heldUp('pause', when) })
    const container = await slow.run(ignoresTerm)
    const pause = codeOf(slow.runtime.pauseContainer(container))
    await until('the pause hangs', () => existsSync(join(slow.root, 'wrapper.held')))
    expect(container.phase).toBe('pausing')
    await slow.runtime.stopContainer(container, 0)
    expect(await pause).toBe('ERR_CANCELLED')
    expect(container.state.exit).toMatchObject({ code: 137 })
    await slow.runtime.deleteContainer(container)
    expectGone(container, slow)
  })

  it('that kills prevails over a start that hangs', async () => {
    const slow = await hostForTest(handler, { wrapper: heldUp('start', 'before') })
    const container = await slow.create(ignoresTerm)
    const events = watchEvents(slow.runtime)
    const start = codeOf(slow.runtime.startContainer(container))
    await until('the start hangs', () => existsSync(join(slow.root, 'wrapper.held')))
    expect(container.phase).toBe('starting')
    await slow.runtime.stopContainer(container, 0)
    expect(await start).toBe('ERR_CANCELLED')
    expect(container.status).toBe('stopped')
    await slow.runtime.deleteContainer(container)
    expect(events.of(container)).toEqual(['exited', 'deleted'])
    expectGone(container, slow)
  })

  it('with a grace lets a start under way come to its end first', async () => {
    const slow = await hostForTest(handler, { wrapper: heldUp('start', 'before') })
    const container = await slow.create(ignoresTerm)
    const events = watchEvents(slow.runtime)
    const start = slow.runtime.startContainer(container)
    await until('the start hangs', () => existsSync(join(slow.root, 'wrapper.held')))
    const stop = slow.runtime.stopContainer(container, 60)
    writeFileSync(join(slow.root, 'wrapper.go'), '')
    await start
    await slow.runtime.stopContainer(container, 0)
    await stop
    expect(container.state.exit).toMatchObject({ code: 137 })
    await slow.runtime.deleteContainer(container)
    expect(events.of(container)).toEqual(['started', 'exited', 'deleted'])
    expectGone(container, slow)
  })

  it('by a forced delete ends a container in whatever state it is', async () => {
    const running = await host.run(ignoresTerm)
    const paused = await host.run(ignoresTerm)
    await host.runtime.pauseContainer(paused)
    const created = await host.create(ignoresTerm)
    const all = [running, paused, created]
    expect(all.map(({ status }) => status)).toEqual(['running', 'paused', 'created'])
    await Promise.all(all.map((container) => host.runtime.deleteContainer(container)))
    for (const container of all) expectGone(container)
    expect(running.state.exit).toMatchObject({ code: 137 })
    expect(paused.state.exit).toMatchObject({ code: 137 })
  })

  it('is over when somebody else kills the container in its grace', async () => {
    const container = await host.run(ignoresTerm)
    const stop = host.runtime.stopContainer(container, 600)
    await until('it waits', () => container.phase === 'stopping.grace')
    signalFromOutside(container.state.pid, SIGKILL)
    await stop
    expect(container.state.exit).toMatchObject({ code: 137, oomKilled: false })
    await host.runtime.deleteContainer(container)
  })

  it('needs no runtime: what the runtime has forgotten is killed and deleted like any other', async () => {
    const container = await host.run(ignoresTerm)
    rmSync(host.runtimeState(container.id), { recursive: true })
    await host.runtime.stopContainer(container, 0)
    expect(container.state.exit).toMatchObject({ kind: 'code', code: 137 })
    await host.runtime.deleteContainer(container)
    expectGone(container)
  })

  it('of one runtime leaves the containers and exits of another alone, be it in the same directories', async () => {
    const { containerExitsDir, containerAttachSocketDir } = host.config
    const other = await hostForTest(handler, { config: { containerExitsDir, containerAttachSocketDir } })
    const ours = await host.run(ignoresTerm)
    const theirs = await other.run(ignoresTerm)
    const [ourEvents, theirEvents] = [watchEvents(host.runtime), watchEvents(other.runtime)]
    await host.runtime.stopContainer(ours, 0)
    await host.runtime.deleteContainer(ours)
    expect(theirs.status).toBe('running')

    signalFromOutside(theirs.state.pid, SIGKILL)
    await until('their exit is recorded', () => theirs.status === 'stopped' && theirs.phase === 'stopped')
    expect(theirs.state.exit).toMatchObject({ kind: 'code', code: 137 })
    await other.runtime.deleteContainer(theirs)
    expect(ourEvents.of(ours)).toEqual(['exited', 'deleted'])
    expect(theirEvents.of(theirs)).toEqual(['exited', 'deleted'])
    expect([...ourEvents.of(theirs), ...theirEvents.of(ours)]).toEqual([])
    expect(await codeOf(host.runtime.stopContainer(theirs, 0))).toBe('ERR_NOT_FOUND')
  })
})
