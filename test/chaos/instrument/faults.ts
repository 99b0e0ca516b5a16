/**
 * What the file layers of instrumented code pass at every operation: operations can be noted, and made to fail with an
 * error of the system. Loaded by instrumented code and by whoever runs it in the same process.
 */
export type FaultErrno = 'ENOSPC' | 'EIO' | 'EROFS' | 'EMFILE' | 'EDQUOT'

/** Operations that change something on disk; all others only look. */
const changes = ['open-write', 'write', 'sync', 'rename', 'unlink', 'mkdir', 'rmdir', 'rm', 'chmod'] as const
const looks = ['open-read', 'read', 'stat', 'lstat', 'readdir', 'readlink', 'access', 'watch'] as const
export type FileOperation = (typeof changes)[number] | (typeof looks)[number]

export interface FaultPlan {
  readonly errno: FaultErrno
  readonly operations: readonly FileOperation[]
  /** Only of paths that contain it. */
  readonly path?: string | undefined
  /** Which of those operations fails, from 1, and how many from there on. */
  readonly nth: number
  readonly count: number
}

export const changingOperations: readonly FileOperation[] = changes
const changing: ReadonlySet<string> = new Set(changes)

let armed: FaultPlan | undefined
let met = 0
let failed = 0

/** From now on operations are counted, and fail as planned. Undefined: all go well. */
export function armFaults(plan: FaultPlan | undefined): void {
  armed = plan
  met = 0
  failed = 0
}

/** How many operations of the plan there were, and how many of them were made to fail. */
export function faultsMet(): { readonly met: number; readonly failed: number } {
  return { met, failed }
}

/** Called before an operation; throws in its place. */
export function meet(operation: FileOperation, path: unknown): void {
  const name = String(path)
  if (changing.has(operation)) noteEffect(`${operation} ${name}`)
  if (armed === undefined || !armed.operations.includes(operation)) return
  if (armed.path !== undefined && !name.includes(armed.path)) return
  met += 1
  if (met < armed.nth || met >= armed.nth + armed.count) return
  failed += 1
  const { errno } = armed
  throw Object.assign(new Error(`${errno}: injected, ${operation} '${name}'`), {
    code: errno,
    syscall: operation,
    path: name,
  })
}

/** Something outside of the process is about to change. */
export function noteEffect(effect: string): void {
  listener?.(effect)
}

let listener: ((effect: string) => void) | undefined

export function noteEffectsTo(given: ((effect: string) => void) | undefined): void {
  listener = given
}

/** Makes each call of a method an effect of that name. */
export function noteCalls<K extends string>(
  object: { [key in K]?: (...args: never[]) => unknown },
  method: K,
  name: string,
): void {
  const run = object[method]
  if (run === undefined) return
  object[method] = new Proxy(run, {
    apply: (target, self, args): unknown => {
      noteEffect(name)
      return Reflect.apply(target, self, args)
    },
  })
}

/** `run`, each call of which meets the faults first, with its first argument as the path. */
export function meeting<T extends (...args: never[]) => unknown>(operation: FileOperation, run: T): T {
  return new Proxy(run, {
    apply: (target, self, args): unknown => {
      meet(operation, args[0])
      return Reflect.apply(target, self, args)
    },
  })
}
