import { describe, expect, it } from 'vitest'
import { containerPhases, type Container, type OciError, type Runtime } from '../../src/index.ts'
import { openStage, refusalOf, standing } from './stage.ts'
import { places, ways } from './ways.ts'

const verbs: Record<string, (runtime: Runtime, container: Container) => Promise<void>> = {
  create: (runtime, container) => runtime.createContainer(container),
  start: (runtime, container) => runtime.startContainer(container),
  pause: (runtime, container) => runtime.pauseContainer(container),
  unpause: (runtime, container) => runtime.unpauseContainer(container),
  stop: (runtime, container) => runtime.stopContainer(container, 60),
  delete: (runtime, container) => runtime.deleteContainer(container),
}

describe('every phase', () => {
  it('has a way to it, but for those that no container is in when it can be asked', () => {
    const rest = containerPhases.filter((phase) => !(places as string[]).includes(phase))
    expect(rest).toEqual(['registered', 'deleted'])
  })

  for (const place of places) {
    it(`${place} refuses the commands it does not list as allowed, and no other`, async () => {
      const refusals: OciError[] = []
      const taken: string[] = []
      for (const [verb, ask] of Object.entries(verbs)) {
        const stage = await openStage()
        const container = await ways[place](stage)
        const attempt = ask(stage.runtime, container)
        if ((await standing(stage.clock, attempt)) === 'ERR_WRONG_STATUS')
          refusals.push(await refusalOf(attempt))
        else taken.push(verb)
      }
      const refused = Object.keys(verbs).filter((verb) => !taken.includes(verb))
      expect(refusals.map(({ operation }) => operation)).toEqual(refused.map((verb) => `${verb}Container`))
      expect(refusals.map(({ allowed }) => allowed)).toEqual(refused.map(() => taken.toSorted()))
      expect(refusals.filter(({ message }) => !message.includes(` is ${place}, `))).toEqual([])
    })

    it(`${place} can be read and asked about at once, whatever is in flight`, async () => {
      const stage = await openStage()
      const container = await ways[place](stage)
      expect(container.phase).toBe(place)
      expect(stage.runtime.containers.list()).toContain(container)
      expect(container.state.id).toBe(container.id)
      expect(container.since).toMatch(/^2020-/)
      const isResting = ['failed', 'created', 'running', 'paused', 'stopped'].includes(place)
      expect(container.waitingFor === undefined).toBe(isResting)
    })
  }

  it.each(['failed', 'stopped', 'cleaning', 'exiting', 'deleting', 'creating'] as const)(
    '%s has no process to signal, and says so',
    async (place) => {
      const stage = await openStage()
      const container = await ways[place](stage)
      const refusal = await refusalOf(stage.runtime.signalContainer(container, 'USR1'))
      expect(refusal).toMatchObject({ code: 'ERR_WRONG_STATUS', operation: 'signalContainer' })
    },
  )

  it('deleted knows no command any more', async () => {
    const stage = await openStage()
    const container = await ways.stopped(stage)
    await stage.runtime.deleteContainer(container)
    for (const verb of ['start', 'pause', 'unpause', 'stop', 'delete']) {
      const attempt = verbs[verb]?.(stage.runtime, container) ?? Promise.resolve()
      expect((await refusalOf(attempt)).code, verb).toBe('ERR_NOT_FOUND')
    }
  })
})
