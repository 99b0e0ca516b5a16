/**
 * What can go wrong around a supervisor, as data: a disk that refuses, a runtime binary that hangs, fails, shouts or
 * crashes, a monitor that is killed. Each is tried in the scenario `life`, at every place where it can strike.
 */
import type { Trouble } from './crash-run.ts'
import { changingOperations, type FaultErrno, type FileOperation } from './instrument/faults.ts'

const always = 1_000_000

/** Short, since a hang has to be sat out. */
const limits = {
  createTimeoutMs: 2500,
  startTimeoutMs: 2500,
  pauseTimeoutMs: 2000,
  resumeTimeoutMs: 2000,
  observeTimeoutMs: 2000,
  signalTimeoutMs: 2000,
  cleanUpTimeoutMs: 6000,
  deleteTimeoutMs: 4000,
  recordTimeoutMs: 3000,
  retryBackoffMs: 50,
}

/** Those that need a descriptor and are in a trace, so that there is a count of them. */
const opens: readonly FileOperation[] = ['open-write', 'write']

const disks: readonly { readonly errno: FaultErrno; readonly operations: readonly FileOperation[] }[] = [
  {
    errno: 'ENOSPC',
    operations: changingOperations.filter((one) => !['unlink', 'rmdir', 'rm'].includes(one)),
  },
  { errno: 'EIO', operations: changingOperations },
  { errno: 'EROFS', operations: changingOperations },
  { errno: 'EMFILE', operations: opens },
]

/** How many operations of each kind a recorded trace has. */
export function operationsIn(trace: readonly string[]): Map<FileOperation, number> {
  const counts = new Map<FileOperation, number>()
  for (const line of trace) {
    const operation = changingOperations.find((name) => line.startsWith(`! ${name} `))
    if (operation !== undefined) counts.set(operation, (counts.get(operation) ?? 0) + 1)
  }
  return counts
}

/** Each operation of a scenario that had so many of each kind fails once, or from there to the scenario's end. */
export function diskTroubles(operationCounts: ReadonlyMap<FileOperation, number>): Trouble[] {
  return disks.flatMap(({ errno, operations }) => {
    const total = operations.reduce((sum, operation) => sum + (operationCounts.get(operation) ?? 0), 0)
    return Array.from({ length: total }, (_, index) => index + 1).flatMap((nth) =>
      [1, always].flatMap((count) =>
        [true, false].map((mends) => ({
          name: `${errno} at ${nth} ${count === 1 ? 'once' : 'on'}${mends ? ', mended' : ''}`,
          fault: { errno, operations, nth, count },
          limits,
          mends,
        })),
      ),
    )
  })
}

/** The first `times` calls of a verb go to `action`, later ones to the real runtime. */
function atVerb(verb: string, times: number, action: string): string {
  return `calls="$0.$verb.calls"
if [ "$verb" = ${verb} ]; then
  echo >>"$calls"
  if [ "$(wc -l <"$calls")" -le ${times} ]; then ${action}; fi
fi`
}

const shout = `head -c 1048576 /dev/zero | tr '\\0' x >&2`

const runtimeActions: Readonly<Record<string, string>> = {
  hangs: 'exec sleep 1013',
  'has done it and hangs': '"$real" "$@"; exec sleep 1013',
  fails: 'echo "no such luck" >&2; exit 1',
  'has done it and fails': '"$real" "$@"; echo "no such luck" >&2; exit 1',
  'shouts and does it': shout,
  'shouts and fails': `${shout}; exit 1`,
  crashes: 'kill -SEGV $$',
  'has done it and crashes': '"$real" "$@"; kill -SEGV $$',
}

const runtimeVerbs = ['create', 'start', 'pause', 'resume', 'exec', 'delete'] as const

export function runtimeTroubles(): Trouble[] {
  return runtimeVerbs.flatMap((verb) =>
    Object.entries(runtimeActions).flatMap(([name, action]) =>
      [1, 3].map((times) => ({
        name: `the runtime ${name} at ${verb}, ${times} times`,
        runtimeScript: atVerb(verb, times, action),
        limits,
        mends: times === 1,
      })),
    ),
  )
}

/** What supervisors stand on: hints, the clock, the directory of the exits. */
export function surroundingTroubles(): Trouble[] {
  const noHints = { errno: 'EMFILE', operations: ['watch'], nth: 1, count: always } as const
  const replace = 'rm -rf "${0%-runtime}"/run/exits'
  return [true, false].flatMap((mends) => [
    { name: `inotify is exhausted${mends ? ', mended' : ''}`, fault: noHints, early: true, limits, mends },
    { name: `the clock jumps by days${mends ? ', mended' : ''}`, clockJumps: true, limits, mends },
    ...(['start', 'pause', 'exec'] as const).map((verb) => ({
      name: `the exits directory is deleted at ${verb}${mends ? ', mended' : ''}`,
      runtimeScript: atVerb(verb, 1, replace),
      limits,
      mends,
    })),
  ])
}

/** `create` is conmon's child; for the others the pid file says who conmon is. */
const killMonitor = `kill -9 "$(cat "\${0%-runtime}"/b/*/conmon-pidfile)"`

export function monitorTroubles(): Trouble[] {
  return runtimeVerbs.flatMap((verb) => {
    const kill = verb === 'create' ? 'kill -9 $PPID' : killMonitor
    const script = {
      before: atVerb(verb, 1, `${kill}; sleep 0.05`),
      after: atVerb(verb, 1, `"$real" "$@"; code=$?; ${kill}; exit $code`),
    }
    return (['before', 'after'] as const).flatMap((when) =>
      [true, false].map((mends) => ({
        name: `the monitor is killed ${when} ${verb}${mends ? ', mended' : ''}`,
        runtimeScript: script[when],
        limits,
        mends,
        monitorsKilled: true,
      })),
    )
  })
}
