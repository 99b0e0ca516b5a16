/** A state directory that does what a test tells it: refuses, hangs, or takes its time. */
import type { Container, StateDirectory } from '../../src/index.ts'
import { OciError } from '../../src/index.ts'

type StateRecord = Parameters<StateDirectory['write']>[1]

export class SlowDisk implements StateDirectory {
  /** Every record that was begun to be written, and those that are on disk. */
  readonly begun: StateRecord[] = []
  readonly written = new Map<string, StateRecord>()
  readonly forgotten: string[] = []
  atOnce = 0
  atOnceMax = 0
  /** What a write waits for. Rejections are the disk's refusal. */
  gate: (record: StateRecord) => Promise<void> = () => Promise.resolve()
  /** What a removal waits for, before anything is removed. */
  forgetGate: () => Promise<void> = () => Promise.resolve()
  prepareGate: (container: Container) => Promise<void> = () => Promise.resolve()

  prepare(container: Container): Promise<void> {
    return this.#counted(async () => {
      await nextTurn()
      await this.prepareGate(container)
    })
  }

  async write(container: Container, record: StateRecord): Promise<void> {
    this.begun.push(record)
    await this.#counted(async () => {
      await this.gate(record)
      this.written.set(container.id, record)
    })
  }

  async forget(container: Container, onUnlisted: () => Promise<void>): Promise<void> {
    await this.forgetGate()
    this.forgotten.push(container.id)
    this.written.delete(container.id)
    await onUnlisted()
    await this.#counted(() => nextTurn())
  }

  /** Everything that syncs. */
  async #counted(run: () => Promise<void>): Promise<void> {
    this.atOnce += 1
    this.atOnceMax = Math.max(this.atOnceMax, this.atOnce)
    try {
      await run()
    } finally {
      this.atOnce -= 1
    }
  }
}

/** No disk answers within the turn that it was asked in. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

export function full(): Promise<never> {
  const cause = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  return Promise.reject(new OciError('ERR_IO', 'cannot write state.json: ENOSPC', { cause }))
}

export function never(): Promise<never> {
  return new Promise(() => undefined)
}
