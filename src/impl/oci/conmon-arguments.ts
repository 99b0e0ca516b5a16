/**
 * conmon's argument vector and environment for creating a container, as CRI-O gives them.
 *
 * Deliberately not here: whether any of the paths exist (preflight.ts), and exec, which has arguments of its own.
 */
import type { Container } from '../../container.ts'
import type { ContainerPaths } from './paths.ts'

export interface ConmonSettings {
  readonly monitorPath: string
  readonly runtimePath: string
  readonly runtimeRoot: string
  readonly containerExitsDir: string
  readonly containerAttachSocketDir: string
  /** Negative: no limit. */
  readonly logSizeMaxBytes: number
  readonly logToJournald: boolean
  readonly noPivot: boolean
  readonly systemdCgroup: boolean
}

/**
 * `--syslog` as in CRI-O: after its fork conmon's stderr is /dev/null, so the syslog is the only place where an operator
 * can find what it complained of later.
 */
export function conmonCreateArguments(
  container: Container,
  paths: ContainerPaths,
  settings: ConmonSettings,
): readonly [string, ...string[]] {
  const named = [
    ['-b', paths.bundle],
    ['-c', container.id],
    ['--exit-dir', settings.containerExitsDir],
    ['-l', container.logPath],
    ['--log-level', 'info'],
    ['-n', container.name],
    ['-P', paths.monitorPidFile],
    ['-p', paths.initPidFile],
    ['--persist-dir', container.dir],
    ['-r', settings.runtimePath],
    ['--runtime-arg', `--root=${settings.runtimeRoot}`],
    ['--socket-dir-path', settings.containerAttachSocketDir],
  ]
  return [
    settings.monitorPath,
    ...named.flat(),
    '--syslog',
    '-u',
    container.id,
    ...(settings.systemdCgroup ? ['-s'] : []),
    ...(settings.logSizeMaxBytes >= 0 ? ['--log-size-max', String(settings.logSizeMaxBytes)] : []),
    // Beside the file, not in its place.
    ...(settings.logToJournald ? ['--log-path', 'journald:'] : []),
    ...(settings.noPivot ? ['--no-pivot'] : []),
    ...stdioArguments(container),
  ]
}

/** A terminal brings its own stdin. Without `--leave-stdin-open` stdin ends with the first client that leaves. */
function stdioArguments({ terminal, stdin, stdinOnce }: Container): readonly string[] {
  if (terminal) return ['-t']
  if (!stdin) return []
  return stdinOnce ? ['-i'] : ['--leave-stdin-open', '-i']
}

/**
 * {@link runtimeEnvironment} plus the numbers of the two pipes that the launcher opens. conmon makes the socket on which
 * the runtime hands over a terminal in TMPDIR, and leaves it there when it is killed: relative to the working directory,
 * which is the bundle, it fits into a socket's address however long that is, and is known to be the container's.
 */
export function monitorEnvironment(
  runtimeEnv: Readonly<Record<string, string>>,
  { terminal }: Pick<Container, 'terminal'>,
): Record<string, string> {
  return { ...runtimeEnv, _OCI_SYNCPIPE: '3', _OCI_STARTPIPE: '4', ...(terminal ? { TMPDIR: '.' } : {}) }
}
