/** An open runtime of one implementation, and what its contract's tests do with it again and again. */
import { afterAll, beforeAll, expect } from 'vitest'
import { isOciError, type Container, type ContainerEventType, type Runtime } from '../../src/index.ts'
import type { ContainerRequest, ContractHarness } from './harness.ts'
import { factMaxMs } from '../support/eventually.ts'

export interface Stage {
  readonly harness: ContractHarness
  readonly runtime: Runtime
  created(request: ContainerRequest): Promise<Container>
  /** Created and started, and the container's command runs or has run. */
  started(request: ContainerRequest): Promise<Container>
  /** Resolves at the next event of that type of the container. */
  nextEvent(container: Container, type: ContainerEventType): Promise<void>
}

/** How long a fact may take to come true on a busy host. */
export const patience = { timeout: factMaxMs }

/** Opened before the tests of the group in which it is called, closed after them. */
export function openStage(openHarness: () => Promise<ContractHarness>): Stage {
  let opened: { readonly harness: ContractHarness; readonly runtime: Runtime } | undefined
  const parts = () => {
    if (opened === undefined) throw new Error('the stage is open in tests and hooks only')
    return opened
  }
  beforeAll(async () => {
    const harness = await openHarness()
    opened = { harness, runtime: await harness.openRuntime() }
  })
  afterAll(async () => {
    const { harness, runtime } = parts()
    await Promise.allSettled(runtime.containers.list().map((left) => runtime.deleteContainer(left)))
    await runtime.close()
    await harness.close()
  })
  const created = async (request: ContainerRequest): Promise<Container> => {
    const { harness, runtime } = parts()
    const container = await harness.makeContainer(request)
    await runtime.createContainer(container)
    return container
  }
  return {
    get harness() {
      return parts().harness
    },
    get runtime() {
      return parts().runtime
    },
    created,
    started: async (request) => {
      const { harness, runtime } = parts()
      const container = await created(request)
      await runtime.startContainer(container)
      // The runtime's own init becomes the command a moment after; until then a signal hits the former.
      await expect.poll(() => harness.world(container), patience).not.toBe('created')
      return container
    },
    nextEvent: async (container, type) => {
      const events = parts().runtime.events({ filter: { ids: [container.id], types: [type] } })
      for await (const event of events) if (event.type === type) return
    },
  }
}

/** The code of the error that it comes to; `undefined` when it comes to none. */
export async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isOciError(error) ? error.code : String(error)
}
