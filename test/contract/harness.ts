/** What the contract suite needs of an implementation: a runtime, containers, and a look at the world behind our back. */
import type { Container, ContainerOptions, Runtime, RuntimeOptions } from '../../src/index.ts'

export interface ContainerRequest {
  readonly args: readonly string[]
  readonly memoryLimitBytes?: number
  readonly options?: Partial<ContainerOptions>
}

/** What is really the case, whatever the library believes. */
export type WorldState = 'absent' | 'created' | 'running' | 'frozen' | 'dead'

export interface ContractHarness {
  /** A runtime of its own; closed by `close`. */
  openRuntime(options?: RuntimeOptions): Promise<Runtime>
  /** A described container with its bundle, not created yet. */
  makeContainer(request: ContainerRequest): Promise<Container>
  world(container: Container): WorldState | Promise<WorldState>
  /** Kills the monitor of a created container behind our back. */
  killMonitor(container: Container): void | Promise<void>
  /** Kills the init process behind our back. */
  killInit(container: Container): void | Promise<void>
  /** Starts a created container behind our back. */
  startInit(container: Container): void | Promise<void>
  /** Whether its program runs and has a handler for the signal of that number: before, one is lost. */
  catches(container: Container, signal: number): boolean
  /** Freezes a running container behind our back. */
  freeze(container: Container): void | Promise<void>
  /** Thaws a frozen container behind our back. */
  thaw(container: Container): void | Promise<void>
  /** Renames the log, as whoever rotates logs does before he asks for a new one. */
  moveLog(container: Container): void
  /** What was logged of its stdout, in each of its log files, oldest first. */
  logs(container: Container): Promise<readonly string[]>
  readonly hasMemoryLimits: boolean
  close(): Promise<void>
}

/** A program that ends with 7 when asked to, and runs until then. */
export const trapsTerm = ['/bin/sh', '-c', 'trap "exit 7" TERM; while :; do sleep 0.05; done']
/** A program that cannot be asked to end: pid 1 without a handler. */
export const ignoresTerm = ['/bin/sleep', '1000']
/** Says what it is told, on stdout, until it is told no more. */
export const repeats = ['/bin/cat']
/** Says so many bytes, and ends. */
export const floods = (bytes: number) => ['/bin/busybox', 'head', '-c', String(bytes), '/dev/zero']
/** Says the height and the width of its terminal. */
export const tellsSize = ['/bin/busybox', 'stty', 'size']
/** Sends back what comes in at that TCP port, to any number of clients. */
export const serves = (port: number) => ['/bin/busybox', 'nc', '-ll', '-p', String(port), '-e', '/bin/cat']
