/**
 * The end of a command with a terminal, where its monitor does not come to it. conmon reads the terminal to its end before
 * it reports, and so hangs
 *
 * - on a client that does not read: conmon waits until it does;
 * - on what the command left behind and that goes on writing to the terminal: there is always something more to read.
 *
 * Looked for only while there is output that was not read, or more of it has come: a shell that waits for somebody to type
 * costs a comparison.
 */
import type { BridgeSession } from '../attach-bridge/client.ts'
import { within } from '../launcher/deadlines.ts'
import { observeProcess, readIdentity } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import type { LaunchedExec } from './exec-launch.ts'

const lookMs = 250
/** It has been killed. Longer than this, and its monitor does not report: that is killed as well, and the exit unknown. */
const endLimitMs = 10_000

export interface TerminalCommand {
  readonly pid: number
  readonly launched: Pick<LaunchedExec, 'outcome' | 'end'>
  readonly session: BridgeSession
  /** From the end of the command on. */
  readonly drainMs: number
}

/** Resolves when the monitor has ended. Never rejects: what cannot be looked at is left to itself. */
export async function watchForEnd(command: TerminalCommand): Promise<void> {
  const { launched, session, drainMs } = command
  const identity = await readIdentity(command.pid).catch(() => undefined)
  let seenBytes = 0
  while ((await within(launched.outcome, lookMs)) === undefined) {
    const { receivedBytes, stdout } = session
    if (receivedBytes === seenBytes && stdout.readableLength === 0) continue
    seenBytes = receivedBytes
    if (identity !== undefined && (await lives(identity))) continue
    session.hurry()
    if ((await within(launched.outcome, drainMs)) !== undefined) return
    session.close()
    if ((await within(launched.outcome, lookMs)) !== undefined) return
    await launched.end(endLimitMs)
  }
}

async function lives(identity: ProcessIdentity): Promise<boolean> {
  try {
    return (await observeProcess(identity)) === 'alive'
  } catch {
    return true // Nobody knows; a command that runs must not lose its terminal.
  }
}
