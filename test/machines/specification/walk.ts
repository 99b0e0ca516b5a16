/** Walks a container through the specification, comparing after every step. */
import { expect } from 'vitest'
import type { SnapshotFrom } from 'xstate'
import { expectAgreement, type Place } from './agreement.ts'
import {
  containerSpecification,
  specificationEvents,
  specificationStates,
  type SpecificationEventType,
} from '../../../src/model/container.specification.ts'
import { coverEdges, type Edge, type Path } from '../../../src/model/edge-cover.ts'
import { executorOf, heedful } from './executors.ts'
import { beginLife, type Life, type Stage } from './life.ts'

type SpecificationSnapshot = SnapshotFrom<typeof containerSpecification>
type SpecificationEvent = { readonly type: SpecificationEventType }
type SpecificationPath = Path<SpecificationSnapshot, SpecificationEvent>
type SpecificationEdge = Edge<SpecificationSnapshot, SpecificationEvent>

export const specificationCover = coverEdges(
  containerSpecification,
  specificationEvents.map((type): SpecificationEvent => ({ type })),
)

export function titleOf(path: SpecificationPath): string {
  return path.map(({ event }) => event.type).join(' → ')
}

/**
 * Rejects at the first step after which specification, façade and world are not of one mind; else resolves with the edges
 * that it has taken. Whatever the path ends in is deleted by force, after which nothing may be left.
 */
export async function walk(stage: Stage, path: SpecificationPath): Promise<readonly SpecificationEdge[]> {
  const taken: SpecificationEdge[] = []
  const life = await beginLife(stage, heedful)
  try {
    for (const [index, edge] of path.entries()) {
      await step(life, edge).catch((error: unknown) => {
        throw new Error(describeFailure(path, index, error), { cause: error })
      })
      taken.push(edge)
    }
    await end(life)
    return taken
  } finally {
    life.close()
  }
}

async function step(life: Life, { from, event, to }: SpecificationEdge): Promise<void> {
  await executorOf(event.type)(life, placeOf(from))
  await expectAgreement(life, placeOf(to))
}

async function end({ container, harness, patience, runtime }: Life): Promise<void> {
  if (runtime.containers.get(container.id) === container) {
    await patience.within(runtime.deleteContainer(container))
  }
  expect(await harness.world(container), 'what a forced delete leaves').toBe('absent')
}

function placeOf({ value, context }: SpecificationSnapshot): Place {
  const state = specificationStates.find((name) => name === value)
  if (state === undefined) throw new Error(`${JSON.stringify(value)} is no state of the specification`)
  return { state, context }
}

function describeFailure(path: SpecificationPath, index: number, error: unknown): string {
  const walked = titleOf(path.slice(0, index + 1))
  return `after ${walked}: ${error instanceof Error ? error.message : String(error)}`
}
