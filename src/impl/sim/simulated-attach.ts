/** Attaching to simulated containers: clients of what their monitors hold. */
import type { Container } from '../../container.ts'
import { checkedKeys } from '../attach-client/attach-options.ts'
import { tie } from '../attach-client/client-streams.ts'
import { checkTerminalSize, followSizes } from '../attach-client/terminal-sizes.ts'
import type { AttachOptions, AttachSession } from '../attach-port.ts'
import type { EffectOptions } from '../runtime-impl.ts'
import type { TerminalSize } from '../terminal-size.ts'
import { monitorLost, notRunning, refusal } from './refusals.ts'
import type { SimulatedContainer } from './simulated-container.ts'
import type { SimulatedConsole } from './simulated-console.ts'
import type { Supervision } from './supervision.ts'

/** See the port. ERR_NOT_RUNNING, ERR_MONITOR_LOST, ERR_BUSY, ERR_INVALID_ARGUMENT. */
export async function attach(
  supervision: Supervision,
  container: Container,
  options: AttachOptions,
  { signal }: EffectOptions,
): Promise<AttachSession> {
  const detachKeys = checkedKeys(container, options)
  const look = supervision.existing(container)
  return supervision.run('attach', container, signal, () =>
    join(supervision, consoleOf(look(), container.id), { ...options, detachKeys }, signal),
  )
}

async function join(
  { clock, logger, closing }: Supervision,
  console: SimulatedConsole,
  options: Omit<AttachOptions, 'detachKeys'> & { readonly detachKeys: Buffer },
  signal: AbortSignal,
): Promise<AttachSession> {
  const { stdin, stdout, stderr, detachKeys, resize$, bufferMaxBytes } = options
  const client = console.join(bufferMaxBytes)
  const over = new AbortController()
  const close = (): void => client.close()
  const signals = [signal, closing]
  for (const each of signals) each.addEventListener('abort', close, { once: true })
  if (signals.some(({ aborted }) => aborted)) close()
  const { takesInput } = console
  const ended = tie(client, { stdin, stdout, stderr, detachKeys, takesInput }, clock).finally(() => {
    over.abort()
    for (const each of signals) each.removeEventListener('abort', close)
  })
  if (resize$ !== undefined && console.hasTerminal) {
    const complain = (err: unknown): void =>
      logger.warn({ containerId: console.containerId, err }, 'the size of a terminal was not set')
    await followSizes(resize$, { set: (size) => resized(console, size), complain, over: over.signal })
  }
  return { ended, close }
}

async function resized(console: SimulatedConsole, size: TerminalSize): Promise<void> {
  checkTerminalSize(size)
  console.resize(size)
  await Promise.resolve()
}

function consoleOf(found: SimulatedContainer | undefined, id: string): SimulatedConsole {
  if (found === undefined || found.status === 'stopped') throw notRunning(id)
  if (!found.monitor.alive) throw monitorLost(id)
  if (found.console.isFull) throw refusal('ERR_BUSY', id, 'has too many clients already')
  return found.console
}
