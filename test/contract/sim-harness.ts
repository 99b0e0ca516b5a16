/** The simulated runtime behind the façade, state in memory. */
import {
  Container,
  defaultSpec,
  defineConfig,
  memoryStateDirectory,
  OciError,
  Runtime,
  type Clock,
  type RuntimeImpl,
} from '../../src/index.ts'
import { SimulatedRuntime } from '../../src/testing.ts'
import { makeContainerId } from '../support/temp-root.ts'
import type { ContractHarness, WorldState } from './harness.ts'

export interface SimHarnessOptions {
  /** Default: real time. */
  readonly clock?: Clock
  /** What the façade gets in place of the simulated runtime; the world is looked at past it. */
  readonly wrap?: (sim: SimulatedRuntime) => RuntimeImpl
}

export function openSimHarness({ clock, wrap = (sim) => sim }: SimHarnessOptions = {}): ContractHarness {
  const time = clock === undefined ? {} : { clock }
  const sim = new SimulatedRuntime(time)
  const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
  return {
    hasMemoryLimits: true,
    canMeasure: false,
    openRuntime: (options) =>
      Runtime.open(config, {
        ...time,
        implementations: { sim: () => wrap(sim) },
        stateDirectory: memoryStateDirectory(),
        ...options,
      }),
    makeContainer: ({ args, memoryLimitBytes, options }) => {
      const container = new Container({ id: makeContainerId(), bundlePath: '/simulated', ...options })
      container.setSpec(
        defaultSpec({
          rootfs: '/simulated/rootfs',
          args: [...args],
          ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
        }),
      )
      if (args[0] === '/no/such/command') {
        sim.inject(container.id, { effect: 'create', fault: 'fail', error: noSuchCommand(args[0]) })
      }
      if (args[0] === '/bin/tail') sim.program(container.id, { oomAfterMs: 10 })
      return Promise.resolve(container)
    },
    world: (container): WorldState => {
      const { exists, status, alive, frozen } = sim.world(container.id)
      if (!exists) return 'absent'
      if (!alive) return 'dead'
      if (frozen) return 'frozen'
      return status === 'created' ? 'created' : 'running'
    },
    // A simulated program has its traps from its first moment on.
    catches: (container) => sim.world(container.id).status === 'running',
    killMonitor: (container) => {
      sim.killMonitor(container.id)
    },
    killInit: (container) => {
      sim.exitNow(container.id, 137)
    },
    freeze: (container) => {
      sim.freezeFromOutside(container.id)
    },
    thaw: (container) => {
      sim.thawFromOutside(container.id)
    },
    close: () => Promise.resolve(),
  }
}

function noSuchCommand(command: string): OciError {
  return new OciError('ERR_COMMAND_NOT_FOUND', `executable file ${command} not found`)
}
