/** A worker as its parent sees it: asked one thing after the other, and replaced when it hangs or dies. */
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Order, Report } from './orders.ts'

const memoryMaxMiB = 1500

export class Labour {
  #child: ChildProcess | undefined

  /** Resolves with the last thing it says, or that it hangs or has died. No word for `patienceMs` is to hang. */
  async ask(order: Order, patienceMs: number): Promise<Report> {
    this.#child ??= fork(join(import.meta.dirname, 'worker.ts'), {
      execArgv: ['--disable-warning=ExperimentalWarning', `--max-old-space-size=${memoryMaxMiB}`],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    const child = this.#child
    const { promise, resolve } = Promise.withResolvers<Report>()
    let test = 'loading'
    const hangs = (): void => {
      child.kill('SIGKILL')
      resolve({ kind: 'failed', test, why: 'it hangs', isSound: true })
    }
    let timer = setTimeout(hangs, patienceMs)
    const heard = (report: Report): void => {
      if (report.kind !== 'begun') {
        resolve(report)
        return
      }
      test = report.test
      clearTimeout(timer)
      timer = setTimeout(hangs, patienceMs)
    }
    const died = (): void => {
      this.#child = undefined
      resolve({ kind: 'failed', test, why: 'the process ended', isSound: true })
    }
    child.on('message', heard)
    child.on('exit', died)
    child.send(order, () => undefined)
    const report = await promise
    clearTimeout(timer)
    child.removeListener('message', heard)
    child.removeListener('exit', died)
    if (report.kind === 'failed' && report.why.startsWith('it ')) this.end()
    return report
  }

  get isUp(): boolean {
    return this.#child !== undefined
  }

  end(): void {
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }
}
