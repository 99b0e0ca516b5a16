/** One container on its way through the specification, and what has been heard of it. */
import { filter, firstValueFrom } from 'rxjs'
import type { Container, ContainerEventType, Runtime } from '../../../src/index.ts'
import type { ContainerRequest, ContractHarness } from '../../contract/harness.ts'
import type { Patience } from './patience.ts'

/** What all walks on one implementation share. */
export interface Stage {
  readonly harness: ContractHarness
  readonly runtime: Runtime
  readonly patience: Patience
}

export interface Life extends Stage {
  /** Another one of the same id after each call of `describe`. */
  readonly container: Container
  /** The types of its events but changes of phase, in order. */
  readonly told: readonly ContainerEventType[]
  /** Describes it anew; before it is created only. */
  describe(request: ContainerRequest): Promise<void>
  /** Another container with its id. */
  twin(request: ContainerRequest): Promise<Container>
  /** Resolves at the next event of that type. To be called before whatever brings it about. */
  tells(type: ContainerEventType): Promise<unknown>
  /** What is told during `action` is not its own. */
  apart(action: () => Promise<void>): Promise<void>
  close(): void
}

export async function beginLife(stage: Stage, request: ContainerRequest): Promise<Life> {
  const { harness, runtime } = stage
  let container = await harness.makeContainer(request)
  const { id } = container
  const events$ = runtime.events$.pipe(
    filter((event) => event.type !== 'dropped'),
    filter(({ containerId, type }) => containerId === id && type !== 'phase'),
  )
  const told: ContainerEventType[] = []
  const subscription = events$.subscribe(({ type }) => told.push(type))
  const twin: Life['twin'] = ({ args, options }) =>
    harness.makeContainer({ args, options: { ...options, id } })
  return {
    ...stage,
    get container() {
      return container
    },
    told,
    describe: async (next) => {
      container = await twin(next)
    },
    twin,
    tells: (type) => firstValueFrom(events$.pipe(filter((event) => event.type === type))),
    apart: async (action) => {
      const { length } = told
      await action()
      told.splice(length)
    },
    close: () => {
      subscription.unsubscribe()
    },
  }
}
