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
  /** Whether its program runs and has a handler for the signal of that number: before, one is lost. */
  catches(container: Container, signal: number): boolean
  /** Freezes a running container behind our back. */
  freeze(container: Container): void | Promise<void>
  /** Thaws a frozen container behind our back. */
  thaw(container: Container): void | Promise<void>
  readonly hasMemoryLimits: boolean
  /** False where nothing real uses anything: samples and limits are then refused as unsupported. */
  readonly canMeasure: boolean
  close(): Promise<void>
}

/** A program that ends with 7 when asked to, and runs until then. */
export const trapsTerm = ['/bin/sh', '-c', 'trap "exit 7" TERM; while :; do sleep 0.05; done']
/** A program that cannot be asked to end: pid 1 without a handler. */
export const ignoresTerm = ['/bin/sleep', '1000']
