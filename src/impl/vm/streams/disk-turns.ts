/**
 * One operation per disk at a time. A disk that hangs holds the thread of libuv's pool that waits for it; four of them
 * and no file operation of the whole process goes on, that of the state files included. So the logs of all containers
 * together hold one thread per disk.
 */
const lastTurns = new Map<number, Promise<unknown>>()

/** Runs `operation` when its turn has come. `device` is the file's `st_dev`. */
export async function inTurn<T>(device: number, operation: () => Promise<T>): Promise<T> {
  const before = lastTurns.get(device) ?? Promise.resolve()
  const turn = before.then(operation)
  // Whoever is next has nothing to do with how this one ended.
  const over = turn.then(
    () => undefined,
    () => undefined,
  )
  lastTurns.set(device, over)
  try {
    return await turn
  } finally {
    if (lastTurns.get(device) === over) lastTurns.delete(device)
  }
}
