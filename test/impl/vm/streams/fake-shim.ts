/**
 * A shell that treats FIFOs as a containerd shim does: it has a reading end of every output and a writing end of the
 * input for as long as its process runs, and closes the latter when it is told to (CloseIO).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { errnoOf } from '../../../../src/errors/index.ts'
import type { StreamPaths } from '../../../../src/impl/vm/streams/streams.ts'

const script = `
exec 3<>"$OUT" 4<"$OUT" 8>"$OUT" 3>&-
if [ -n "$ERR" ]; then exec 3<>"$ERR" 5<"$ERR" 9>"$ERR" 3>&-; else exec 5<&4 9>&8; fi
if [ -n "$IN" ]; then exec 6<>"$IN"; else IN=/dev/null; exec 6</dev/null; fi
trap 'exec 6>&-' USR1
sh -c "$SCRIPT" <"$IN" >&8 2>&9 4<&- 5<&- 6<&- 8>&- 9>&- &
exec 8>&- 9>&-
echo ready
# 138: interrupted by the signal.
while :; do wait $!; code=$?; [ $code -eq 138 ] || exit $code; done
`

export class FakeShim {
  readonly #child: ChildProcess
  readonly exited: Promise<number | null>

  /** Resolves when the process runs. */
  static async start(paths: StreamPaths, program: string): Promise<FakeShim> {
    const env = { ...process.env, IN: paths.stdin, OUT: paths.stdout, ERR: paths.stderr, SCRIPT: program }
    const child = spawn('sh', ['-c', script], { env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
    const shim = new FakeShim(child)
    if (child.stdout !== null) await once(child.stdout, 'data')
    child.stdout?.destroy()
    return shim
  }

  private constructor(child: ChildProcess) {
    this.#child = child
    this.exited = once(child, 'exit').then(() => child.exitCode)
  }

  closeIo(): Promise<void> {
    this.#child.kill('SIGUSR1')
    return Promise.resolve()
  }

  /** With everything that runs below it. */
  kill(): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL')
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw error
    }
  }
}
