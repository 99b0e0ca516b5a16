/**
 * conmon's argument vector for running a command in a container.
 *
 * conmon runs it for one thing: it is told how the command ended, and says so in a file. The runtime alone would have to
 * wait for it, and runc then also waits for whatever the command left behind with its output open. `passthrough` gives our
 * FIFOs to the command as they are; `--sync` keeps conmon in the foreground, as the launcher's child.
 *
 * A terminal is another matter: conmon holds its master side and gives it to whoever connects to a socket (exec-terminal.ts).
 */
import { join } from 'node:path'
import type { MoreStdio } from '../launcher/attend-protocol.ts'

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
  /** With a terminal conmon's attach socket and control FIFO are here. */
  readonly monitorDirectory: string
}

export function execFiles(directory: string, containerId: string): ExecFiles {
  return {
    directory,
    processFile: join(directory, '.process'),
    pidFile: join(directory, '.pid'),
    logFile: join(directory, '.log'),
    exitFile: join(directory, containerId),
    monitorDirectory: join(directory, '.monitor'),
  }
}

export interface ExecConmonSettings {
  readonly execId: string
  readonly containerId: string
  readonly containerName: string
  readonly monitorPath: string
  /** Its path, after what it is run by, if there is such a thing. */
  readonly runtime: readonly string[]
  readonly runtimeRoot: string
  readonly systemdCgroup: boolean
  readonly terminal: boolean
  /** For the runtime's `exec`, not for the runtime. */
  readonly execOptions: readonly string[]
}

export function conmonExecArguments(
  files: ExecFiles,
  settings: ExecConmonSettings,
): readonly [string, ...string[]] {
  const [program = '', ...words] = settings.runtime
  const named = [
    ['-c', settings.containerId],
    ['-n', settings.containerName],
    ['-u', settings.execId],
    ['-r', program],
    ...words.map((word) => ['--runtime-arg', word]),
    ['-p', files.pidFile],
    ['--exec-process-spec', files.processFile],
    ['--exit-dir', files.directory],
    ...(settings.terminal ? terminalOptions(files) : [['-l', 'passthrough']]),
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
    ...(settings.terminal ? ['-t', '--exec-attach', '--full-attach'] : []),
    ...settings.execOptions.flatMap((option) => ['--runtime-opt', option]),
  ]
}

/**
 * Without `-i`, which a terminal does not need to be typed at: with it conmon closes the terminal to all input as soon as
 * any client leaves.
 */
function terminalOptions({ monitorDirectory }: ExecFiles): readonly string[][] {
  return [
    ['--api-version', '1'],
    ['-b', monitorDirectory],
    ['-l', 'none'],
  ]
}

/**
 * The descriptors of {@link terminalDescriptors}. conmon makes the socket on which the runtime hands over the terminal in
 * TMPDIR: relative to the working directory it fits into a socket's address however long that is, and goes with the rest.
 */
export const terminalEnvironment = {
  _OCI_SYNCPIPE: '3',
  _OCI_STARTPIPE: '4',
  _OCI_ATTACHPIPE: '5',
  TMPDIR: '.',
} as const

/**
 * From 3 on. conmon dies when it cannot report, so it is at both ends of `reports` and does not notice when we are gone;
 * the end of `start` is for it to notice: then it goes ahead without us.
 */
export function terminalDescriptors({ start, reports }: TerminalFifos): readonly MoreStdio[] {
  return [
    { path: reports, access: 'both' },
    { path: start, access: 'read' },
    { path: reports, access: 'both' },
  ]
}

export interface TerminalFifos {
  readonly start: string
  readonly reports: string
}
