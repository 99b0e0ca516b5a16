/**
 * The process spec of an exec: the container's own with what the request changes. Pure; the container's spec is not touched.
 * Stepwise, since a tenant chooses how large the environment of its containers is.
 *
 * Deliberately not here: who the user is (exec-user.ts).
 */
import type { OciProcess } from '../../bundle/oci-spec.ts'
import type { Stepwise } from '../../surroundings/slices.ts'
import type { ExecCommand } from '../exec-port.ts'
import type { TerminalSize } from '../terminal-size.ts'

const entriesPerStep = 256

export interface Terminal {
  readonly size: TerminalSize | undefined
}

/**
 * What the container has that is not the process's own (its capabilities, labels, limits) an exec has too; only what the
 * kernel would hand on to any program, the inheritable capabilities, is left out (CVE-2022-27649) but for the ambient
 * ones, which are handed on in any case and cannot be without.
 */
export function* execProcess(
  own: OciProcess,
  { argv, env = {}, cwd = own.cwd }: ExecCommand,
  user: OciProcess['user'],
  terminal: Terminal | undefined,
): Stepwise<OciProcess> {
  const { terminal: _, consoleSize: __, capabilities, ...rest } = own
  const size = terminal?.size
  return {
    ...rest,
    terminal: terminal !== undefined,
    ...(size === undefined ? {} : { consoleSize: { height: size.height, width: size.width } }),
    ...(capabilities === undefined
      ? {}
      : { capabilities: { ...capabilities, inheritable: [...(capabilities.ambient ?? [])] } }),
    user,
    args: [...argv],
    env: yield* execEnvironment(own.env ?? [], env, terminal !== undefined),
    cwd,
  }
}

/** The last of a name counts, as with most programs; TERM is what a terminal cannot do without. */
function* execEnvironment(
  own: readonly string[],
  extra: Readonly<Record<string, string>>,
  hasTerminal: boolean,
): Stepwise<string[]> {
  const entries = new Map<string, string>()
  for (const [at, entry] of own.entries()) {
    if (at % entriesPerStep === 0) yield
    entries.set(entry.split('=', 1)[0] ?? entry, entry)
  }
  if (hasTerminal && !entries.has('TERM')) entries.set('TERM', 'TERM=xterm')
  for (const [name, value] of Object.entries(extra)) entries.set(name, `${name}=${value}`)
  return [...entries.values()]
}
