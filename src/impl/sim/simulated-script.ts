/**
 * What a test has said of its containers: what they run, what commands in them do, and who listens at their ports. The
 * latest that fits wins. What it has not said is known by the arguments (known-commands.ts).
 */
import type { Duplex } from 'node:stream'
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import type { ExecCommand } from '../exec-port.ts'
import { assertPort } from '../streams-port.ts'
import { selects, type ContainerSelector } from './fault-script.ts'
import { environmentOf, knownCommand } from './known-commands.ts'
import {
  checkedProgram,
  programOfCommand,
  type SimulatedCommand,
  type SimulatedProgram,
} from './simulated-program.ts'

/**
 * Which commands: by the name of the program, with or without its directory, or by a test of all arguments.
 */
export type CommandSelector = string | ((argv: readonly string[]) => boolean)

/** Serves one connection: reads what the client sends, writes to it, and ends it. */
export type SimulatedListener = (connection: Duplex) => void

interface Scripted<What> {
  readonly selector: ContainerSelector
  readonly what: What
}

export class SimulatedScript {
  readonly #programs: Scripted<SimulatedProgram>[] = []
  readonly #commands: Scripted<{ readonly which: CommandSelector; readonly program: SimulatedProgram }>[] = []
  readonly #listeners: Scripted<{
    readonly port: number
    readonly listener: SimulatedListener | undefined
  }>[] = []

  program(selector: ContainerSelector, program: SimulatedProgram): void {
    this.#programs.unshift({ selector, what: checkedProgram(program) })
  }

  command(selector: ContainerSelector, which: CommandSelector, command: SimulatedCommand): void {
    if (which === '' || !['string', 'function'].includes(typeof which)) {
      throw new OciError(
        'ERR_INVALID_ARGUMENT',
        'which must be the name of a command, not empty, or a function',
        {
          field: 'which',
        },
      )
    }
    this.#commands.unshift({ selector, what: { which, program: programOfCommand(command) } })
  }

  listen(selector: ContainerSelector, port: number, listener: SimulatedListener | undefined): void {
    assertPort(port, { operation: 'listen' })
    if (listener !== undefined && typeof listener !== 'function') {
      throw new OciError('ERR_INVALID_ARGUMENT', 'listener must be a function', { field: 'listener' })
    }
    this.#listeners.unshift({ selector, what: { port, listener } })
  }

  /** What the container's own process does. */
  programOf(container: Container): SimulatedProgram {
    const scripted = this.#programs.find(({ selector }) => selects(selector, container.id, container))?.what
    const own = ownProgram(container)
    return { ...withoutLife(own, scripted), ...scripted }
  }

  /** What a command in the container does; undefined when there is no such command. */
  commandOf(container: Container, { argv, env }: ExecCommand): SimulatedProgram | undefined {
    const scripted = this.#commands.find(
      ({ selector, what }) => selects(selector, container.id, container) && isMeant(what.which, argv),
    )
    if (scripted !== undefined) return scripted.what.program
    const own = environmentOf(container.spec?.process?.env ?? [])
    return knownCommand({ argv, env: { ...own, ...env }, unknown: 'notFound' })
  }

  /** Who listens there; undefined when nobody does. */
  listenerAt(container: Container, port: number): SimulatedListener | undefined {
    return this.#listeners.find(
      ({ selector, what }) => what.port === port && selects(selector, container.id, container),
    )?.what.listener
  }
}

/** What the arguments of the container's spec come to. Without a spec (`container.setSpec`) it is the default program. */
function ownProgram({ spec }: Container): SimulatedProgram {
  const argv = spec?.process?.args
  if (spec === undefined || !Array.isArray(argv)) return {}
  const program = knownCommand({ argv, env: environmentOf(spec.process?.env ?? []), unknown: 'runsOn' })
  if (program === undefined) return {}
  // The kernel keeps signals without a handler from the first process of a pid namespace.
  const isInit = spec.linux?.namespaces?.some(({ type }) => type === 'pid') ?? false
  return { ...(isInit ? { onTerm: 'ignore' } : {}), ...program }
}

/** A program that says itself how long it runs is not also ended by what the arguments come to. */
function withoutLife(own: SimulatedProgram, scripted: SimulatedProgram | undefined): SimulatedProgram {
  if (scripted?.run === undefined && (scripted?.runsForMs === undefined || own.run === undefined)) return own
  const { onTerm, onSignal } = own
  return { ...(onTerm === undefined ? {} : { onTerm }), ...(onSignal === undefined ? {} : { onSignal }) }
}

function isMeant(which: CommandSelector, argv: readonly string[]): boolean {
  if (typeof which !== 'string') return which(argv)
  const [file = ''] = argv
  return file === which || file.slice(file.lastIndexOf('/') + 1) === which
}
