/** A simulated world that outlives its supervisors, which are killed and started anew on the same state directory. */
import { join } from 'node:path'
import { afterEach } from 'vitest'
import {
  Container,
  defineConfig,
  Runtime,
  type ContainerLimits,
  type ContainerOptions,
  type ContainerStore,
  type Logger,
  type RuntimeImpl,
  type StateDirectory,
} from '../../src/index.ts'
import { OciError } from '../../src/errors/index.ts'
import { openStateDirectory } from '../../src/store/state-directory.ts'
import { SimulatedClock, SimulatedRuntime, type SimulatedProgram } from '../../src/testing.ts'
import { makeTempRoot } from '../support/temp-root.ts'

export interface BootOptions {
  readonly recover?: boolean
  readonly limits?: Partial<ContainerLimits>
  readonly wrap?: (sim: SimulatedRuntime) => RuntimeImpl
  readonly store?: ContainerStore
  readonly logger?: Logger
  /** Instead of the one on disk. */
  readonly stateDirectory?: StateDirectory
}

export interface Supervisor {
  readonly runtime: Runtime
  /** Types of what was told of a container since the recovery began, without its phases. */
  told(id: string): Promise<string[]>
  get(id: string): Container
}

export type RestartStage = ReturnType<typeof openRestartStage>

const open: { readonly runtime: Runtime; readonly clock: SimulatedClock }[] = []

afterEach(async () => {
  for (const { runtime, clock } of open.splice(0)) await clock.runUntil(runtime.close())
})

export function openRestartStage() {
  const root = makeTempRoot()
  const stateDir = join(root, 'state')
  const clock = new SimulatedClock()
  const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
  let sim = new SimulatedRuntime({ clock })
  let disk: MortalDirectory | undefined

  const boot = async ({ wrap, stateDirectory, ...options }: BootOptions = {}): Promise<Supervisor> => {
    disk = new MortalDirectory(stateDirectory ?? (await openStateDirectory(stateDir)))
    const runtime = await clock.runUntil(
      Runtime.open(config, {
        clock,
        implementations: { sim: () => wrap?.(sim) ?? sim },
        stateDirectory: disk,
        ...options,
      }),
    )
    open.push({ runtime, clock })
    return {
      runtime,
      told: async (id) => {
        const types: string[] = []
        const done = new AbortController()
        const since = runtime.recovered?.since
        const filter = { ids: [id] }
        setImmediate(() => done.abort())
        for await (const event of runtime.events({ signal: done.signal, since, filter })) {
          if (event.type !== 'phase') types.push(event.type)
        }
        return types
      },
      get: (id) => {
        const container = runtime.containers.get(id)
        if (container === undefined) throw new Error(`there is no container ${id}`)
        return container
      },
    }
  }
  return {
    root,
    stateDir,
    clock,
    config,
    boot,
    get sim() {
      return sim
    },
    /** The supervisor is killed: nothing that it had begun has any effect from now on. */
    crash: async (): Promise<void> => {
      disk?.die()
      sim = sim.reopen()
      for (const { runtime } of open.splice(0)) await clock.runUntil(runtime.close())
    },
    describe: (id: string, program: SimulatedProgram = {}, options: Partial<ContainerOptions> = {}) => {
      sim.program(id, program)
      return new Container({ id, bundlePath: join(root, 'containers', id), ...options })
    },
  }
}

class MortalDirectory implements StateDirectory {
  readonly survivors: NonNullable<StateDirectory['survivors']>
  readonly #directory: StateDirectory
  #dead = false

  constructor(directory: StateDirectory) {
    if (directory.survivors === undefined) throw new Error('nothing survives in this directory')
    this.#directory = directory
    this.survivors = directory.survivors
  }

  die(): void {
    this.#dead = true
  }

  prepare(...given: Parameters<StateDirectory['prepare']>): Promise<void> {
    return this.#dead ? refuse() : this.#directory.prepare(...given)
  }

  write(...given: Parameters<StateDirectory['write']>): Promise<void> {
    return this.#dead ? refuse() : this.#directory.write(...given)
  }

  forget(...given: Parameters<StateDirectory['forget']>): Promise<void> {
    return this.#dead ? refuse() : this.#directory.forget(...given)
  }
}

function refuse(): Promise<never> {
  return Promise.reject(new OciError('ERR_IO', 'the supervisor is dead'))
}
