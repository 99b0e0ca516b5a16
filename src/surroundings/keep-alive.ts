/**
 * Keeps the embedder's process alive while it waits for one of our answers. Timers, watches and sockets of this library
 * are all unref'd, so that an idle runtime never keeps a process from ending; without this, a program whose last line
 * awaits a stop would end before the container did.
 */
const foreverMs = 2 ** 31 - 1

export class KeepAlive {
  #waiting = 0
  #timer: NodeJS.Timeout | undefined

  async during<T>(answer: Promise<T>): Promise<T> {
    this.#waiting += 1
    this.#timer ??= setInterval(() => undefined, foreverMs)
    try {
      return await answer
    } finally {
      this.#waiting -= 1
      if (this.#waiting === 0) {
        clearInterval(this.#timer)
        this.#timer = undefined
      }
    }
  }

  /**
   * `answer` for those who ask for it: from the first time on it keeps the process alive. The same promise each time. One
   * that rejects although it should not, and that nobody has asked for, is nobody's failure: unhandled it would end the
   * embedder's process.
   */
  onceAsked<T>(answer: Promise<T>): () => Promise<T> {
    answer.catch(() => undefined)
    let asked: Promise<T> | undefined
    return () => (asked ??= this.during(answer))
  }
}
