/** Runs tasks in the order given, at most a fixed number at once, so that thousands of them leave libuv's few threads to others. */
export interface Lanes {
  /** Never begins the task within the call, so that a caller can note the promise before the task looks for it. */
  run<T>(task: () => Promise<T>): Promise<T>
  /** Resolves once nothing runs or waits. */
  idle(): Promise<void>
}

/** Invariant: the queue is as long as its callers let it be; each of them says what bounds it. */
export function createLanes(lanesMax: number): Lanes {
  let busy = 0
  const waiting: (() => void)[] = []
  const idlers: (() => void)[] = []
  return {
    run: async (task) => {
      if (busy < lanesMax) {
        busy += 1
        await Promise.resolve()
      } else {
        await new Promise<void>((resolve) => waiting.push(resolve))
      }
      try {
        return await task()
      } finally {
        const next = waiting.shift()
        // A lane is handed on, not freed and taken again: nobody may slip in between.
        if (next === undefined) busy -= 1
        else next()
        if (busy === 0) for (const resolve of idlers.splice(0)) resolve()
      }
    },
    idle: async () => {
      if (busy > 0) await new Promise<void>((resolve) => idlers.push(resolve))
    },
  }
}
