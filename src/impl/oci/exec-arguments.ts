/**
 * conmon's argument vector for running a command in a container.
 *
 * conmon runs it for one thing: it is told how the command ended, and says so in a file. The runtime alone would have to
 * wait for it, and runc then also waits for whatever the command left behind with its output open. `passthrough` gives our
 * FIFOs to the command as they are; `--sync` keeps conmon in the foreground, as the launcher's child.
 */
import { isAbsolute, join } from 'node:path'

/** By names that no container id can have, since conmon calls the exit file by that. */
export interface ExecFiles {
  readonly directory: string
  /** The OCI process spec. */
  readonly processFile: string
  /** Written by the runtime once the command runs. */
  readonly pidFile: string
  /** What the runtime complained of, in JSON lines. */
  readonly logFile: string
  /** Written by conmon: how the command ended. */
  readonly exitFile: string
}

export function execFiles(directory: string, containerId: string): ExecFiles {
  return {
    directory,
    processFile: join(directory, '.process'),
    pidFile: join(directory, '.pid'),
    logFile: join(directory, '.log'),
    exitFile: join(directory, containerId),
  }
}

export interface ExecConmonSettings {
  readonly execId: string
  readonly containerId: string
  readonly containerName: string
  readonly monitorPath: string
  readonly runtimePath: string
  readonly runtimeRoot: string
  readonly systemdCgroup: boolean
  /** For the runtime's `exec`, not for the runtime. */
  readonly execOptions: readonly string[]
}

export function conmonExecArguments(
  files: ExecFiles,
  settings: ExecConmonSettings,
): readonly [string, ...string[]] {
  const named = [
    ['-c', settings.containerId],
    ['-n', settings.containerName],
    ['-u', settings.execId],
    ['-r', settings.runtimePath],
    ['-p', files.pidFile],
    ['--exec-process-spec', files.processFile],
    ['--exit-dir', files.directory],
    ['-l', 'passthrough'],
    // What conmon says goes to the command's stderr; so it says what is wrong and nothing else.
    ['--log-level', 'error'],
    ['--runtime-arg', `--root=${settings.runtimeRoot}`],
    ['--runtime-arg', `--log=${files.logFile}`],
    ['--runtime-arg', '--log-format=json'],
  ]
  return [
    settings.monitorPath,
    ...named.flat(),
    '-e',
    '--sync',
    '--syslog',
    ...(settings.systemdCgroup ? ['-s'] : []),
    ...settings.execOptions.flatMap((option) => ['--runtime-opt', option]),
  ]
}

/** The root filesystem on the host; a relative path counts from the bundle. */
export function rootfsPath(bundle: string, path: string | undefined): string {
  return path !== undefined && isAbsolute(path) ? path : join(bundle, path ?? 'rootfs')
}
