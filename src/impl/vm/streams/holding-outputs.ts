/**
 * What a container writes last, when it ends while nobody supervises it.
 *
 * A shim closes its ends of the FIFOs with the container, and what nobody has open is gone. But a shim passes on what
 * descriptors it was started with to the process that it becomes. So it is started with a reading end of every output,
 * which keeps what the pipe holds (64 KiB) for as long as the shim lives, and hides no end of output, as a writing end
 * would. crun and runc do not pass it on to the container.
 */
import type { StreamPaths } from './streams.ts'

const script = 'exec 7<"$1" 8<"$2"; shift 2; exec "$@"'

/** Runs `argv` so. Our own ends have to be open by then: without them it would wait for a writer. */
export function holdingOutputs(
  { stdout, stderr }: StreamPaths,
  argv: readonly [string, ...string[]],
): [string, ...string[]] {
  return ['/bin/sh', '-c', script, 'sh', stdout, stderr === '' ? stdout : stderr, ...argv]
}
