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
import { SimulatedRuntime, type SimulatedRun } from '../../src/testing.ts'
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
          terminal: options?.terminal === true,
          ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
        }),
      )
      if (args[0] === '/no/such/command') {
        sim.inject(container.id, { effect: 'create', fault: 'fail', error: noSuchCommand(args[0]) })
      }
      script(sim, container.id, args)
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
    startInit: (container) => {
      sim.startFromOutside(container.id)
    },
    freeze: (container) => {
      sim.freezeFromOutside(container.id)
    },
    thaw: (container) => {
      sim.thawFromOutside(container.id)
    },
    moveLog: () => undefined,
    logs: (container) => Promise.resolve(sim.logs(container.id)),
    close: () => Promise.resolve(),
  }
}

/** What the simulated runtime does not know of itself. */
function script(sim: SimulatedRuntime, id: string, args: readonly string[]): void {
  const [first, applet = ''] = args
  if (first === '/bin/tail') sim.program(id, { oomAfterMs: 10 })
  const run = first === '/bin/busybox' ? applets[applet] : undefined
  if (run !== undefined) sim.program(id, { run })
  if (applet === 'nc') sim.listen(id, Number(args[4]), (connection) => connection.pipe(connection))
}

const applets: Readonly<Record<string, SimulatedRun>> = {
  head: async ([, , , bytes], { stdout, sleep }) => {
    for (let left = Number(bytes); left > 0; left -= chunkBytes) {
      stdout.write(Buffer.alloc(Math.min(left, chunkBytes)))
      await sleep(1)
    }
  },
  stty: (_, { stdout, terminalSize }) => {
    stdout.write(`${terminalSize?.height} ${terminalSize?.width}\n`)
  },
}

const chunkBytes = 65_536

function noSuchCommand(command: string): OciError {
  return new OciError('ERR_COMMAND_NOT_FOUND', `executable file ${command} not found`)
}
