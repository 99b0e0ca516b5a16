import { describe, expect, it } from 'vitest'
import { nodesOf } from '../../../src/model/state-nodes.ts'
import {
  containerSpecification,
  specificationEvents,
  specificationStates,
} from '../../../src/model/container.specification.ts'
import { executableEvents, executorOf } from './executors.ts'
import { specificationCover } from './walk.ts'

describe('the specification machine', () => {
  it('has no transition that cannot be taken', () => {
    expect(specificationCover.unreachable).toEqual([])
  })

  it('rests in every one of its states: no effects, no timers, nothing that happens by itself', () => {
    const restless = nodesOf(containerSpecification.root).filter(
      ({ invoke, after, always = [] }) => invoke.length + after.length + always.length > 0,
    )
    expect(restless.map(({ key }) => key)).toEqual([])
  })

  it('knows the events and states that are listed, and no others', () => {
    expect([...containerSpecification.events].toSorted()).toEqual([...specificationEvents].toSorted())
    expect(Object.keys(containerSpecification.states).toSorted()).toEqual([...specificationStates].toSorted())
  })

  it('has an executor for each event, and no executor has another', () => {
    expect(executableEvents.toSorted()).toEqual([...specificationEvents].toSorted())
  })

  it('is not walked over an event without an executor', () => {
    expect(() => executorOf('strat')).toThrow('the event strat has no executor')
  })
})
