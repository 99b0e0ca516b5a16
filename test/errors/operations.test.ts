/** The names of operations are those of functions that an embedder can call. That they are is checked by the compiler. */
import { describe, expect, expectTypeOf, it } from 'vitest'
import type * as main from '../../src/index.ts'
import { Runtime, type Container, type ContainerOperation, type Operation } from '../../src/index.ts'
import type * as inspect from '../../src/inspect/index.ts'
import type * as metrics from '../../src/metrics.ts'
import type * as testing from '../../src/testing.ts'

/** Methods of the runtime that do something with a container: they take it first, and answer later. */
type ContainerVerb = {
  [Name in keyof Runtime]: Runtime[Name] extends (...args: never[]) => Promise<unknown>
    ? Parameters<Runtime[Name]> extends [Container, ...unknown[]]
      ? Name
      : never
    : never
}[keyof Runtime]

type Exported = keyof typeof main | keyof typeof inspect | keyof typeof metrics | keyof typeof testing
type Method =
  | keyof Runtime
  | keyof typeof Runtime
  | keyof Container
  | keyof testing.SimulatedRuntime
  | keyof testing.SimulatedClock

/** One for each: the compiler asks for those that are missing. */
const containerOperations: Readonly<Record<ContainerOperation, true>> = {
  createContainer: true,
  startContainer: true,
  stopContainer: true,
  deleteContainer: true,
  pauseContainer: true,
  unpauseContainer: true,
  signalContainer: true,
  updateContainer: true,
  updateContainerStatus: true,
  containerStats: true,
  execSyncContainer: true,
  startExec: true,
  execContainer: true,
  attachContainer: true,
  portForwardContainer: true,
  reopenContainerLog: true,
  waitContainer: true,
  waitContainerStateStopped: true,
}

describe('the name of an operation', () => {
  it('on a container is that of a verb of the runtime, and every verb has one', () => {
    expectTypeOf<ContainerOperation>().toEqualTypeOf<ContainerVerb>()
    const methods = Object.keys(containerOperations).filter((name) => name in Runtime.prototype)
    expect(methods).toEqual(Object.keys(containerOperations))
  })

  it('is that of a method or function that is exported', () => {
    expectTypeOf<Operation>().toExtend<Exported | Method>()
  })
})
