/**
 * Work whose size somebody else chooses, on the embedder's thread: a few milliseconds of it, then a turn of the event
 * loop. The milliseconds are those of all such work together, or ten pieces at once would hold up the loop ten times as long.
 */
import { setImmediate as turnOfLoop } from 'node:timers/promises'

/** Long work that stops often, at every `yield`, to be asked whether it may go on. */
export type Stepwise<Result> = Generator<undefined, Result>

const sliceMs = 4

let spentInTurnMs = 0
let isTurnWatched = false
let lastTurn: Promise<void> = Promise.resolve()

/** The result of `work`, while the event loop goes on. What it throws is thrown. */
export async function inSlices<Result>(work: Stepwise<Result>): Promise<Result> {
  for (;;) {
    if (spentInTurnMs >= sliceMs) await nextTurn()
    const step = runSlice(work)
    if (step.done === true) return step.value
  }
}

/** The result of `work` at once, for a caller whose data may change while it waits. */
export function atOnce<Result>(work: Stepwise<Result>): Result {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

function runSlice<Result>(work: Stepwise<Result>): IteratorResult<undefined, Result> {
  const startMs = performance.now()
  const endMs = startMs + sliceMs - spentInTurnMs
  try {
    for (;;) {
      const step = work.next()
      if (step.done === true || performance.now() >= endMs) return step
    }
  } finally {
    spentInTurnMs += performance.now() - startMs
    watchTurn()
  }
}

/** A turn for each caller, in the order in which they came. */
function nextTurn(): Promise<void> {
  lastTurn = turnAfter(lastTurn)
  return lastTurn
}

async function turnAfter(earlier: Promise<void>): Promise<void> {
  await earlier
  await turnOfLoop()
  spentInTurnMs = 0
}

function watchTurn(): void {
  if (isTurnWatched) return
  isTurnWatched = true
  setImmediate(() => {
    isTurnWatched = false
    spentInTurnMs = 0
  }).unref()
}
