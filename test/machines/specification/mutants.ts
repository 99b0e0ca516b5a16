/**
 * Small defects, each put between the façade and the simulated world or in front of the façade: what the walk over the
 * specification must notice, or it is worth nothing. Deliberately not here: changes of the code under test.
 */
import { map, NEVER } from 'rxjs'
import { isOciError, type ExitSource, type Runtime, type RuntimeImpl } from '../../../src/index.ts'
import type { SimulatedRuntime } from '../../../src/testing.ts'
import { bare } from '../../support/bare-implementation.ts'

export interface Mutant {
  /** What is wrong, as a sentence about it. */
  readonly name: string
  /** The event after which it shows first. */
  readonly shows: string
  /** A defect of the effects. */
  readonly wrap?: (sim: SimulatedRuntime) => RuntimeImpl
  /** A defect of the façade. */
  readonly front?: (runtime: Runtime) => Runtime
}

const SIGTERM = 15
const SIGKILL = 9
const nothing = (): Promise<void> => Promise.resolve()

export const mutants: readonly Mutant[] = [
  { name: 'pause does nothing', shows: 'pause', wrap: (sim) => altered(sim, { pause: nothing }) },
  {
    name: 'resume leaves the container frozen',
    shows: 'unpause',
    wrap: (sim) => altered(sim, { resume: nothing }),
  },
  { name: 'start does nothing', shows: 'start', wrap: (sim) => altered(sim, { start: nothing }) },
  {
    name: 'delete leaves the container in the world',
    shows: 'delete',
    wrap: (sim) => altered(sim, { delete: nothing }),
  },
  {
    name: 'cleaning up leaves the container in the world',
    shows: 'monitor.killed',
    wrap: (sim) => altered(sim, { cleanUp: nothing }),
  },
  {
    name: 'the stop signal is sent as KILL',
    shows: 'stop.gracefully',
    wrap: (sim) =>
      altered(sim, {
        signal: (container, init, _, options) => sim.signal(container, init, SIGKILL, options),
      }),
  },
  {
    name: 'KILL is sent as TERM',
    // The first path has a container deleted that was never started.
    shows: 'id.used.again',
    wrap: (sim) =>
      altered(sim, {
        signal: (container, init, signal, options) =>
          sim.signal(container, init, signal === SIGKILL ? SIGTERM : signal, options),
      }),
  },
  {
    name: 'the exit of a killed process is reported as 0',
    shows: 'stop.ignored',
    wrap: (sim) => {
      const exits$ = sim.exits.exits$.pipe(
        map((fact) => (fact.code === 128 + SIGKILL ? { ...fact, code: 0 } : fact)),
      )
      return altered(sim, { exits: exitsLike(sim.exits, { exits$ }) })
    },
  },
  {
    name: 'exits are never reported',
    shows: 'stop.gracefully',
    wrap: (sim) => altered(sim, { exits: exitsLike(sim.exits, { exits$: NEVER }) }),
  },
  {
    name: 'the out-of-memory killer is blamed for every exit',
    shows: 'stop.gracefully',
    wrap: (sim) => altered(sim, { oomKilled: () => Promise.resolve(true) }),
  },
  {
    name: 'the freezer is not looked at',
    shows: 'frozen.from.outside',
    wrap: (sim) =>
      altered(sim, {
        observe: async (container, options) => {
          const observation = await sim.observe(container, options)
          return observation.status === 'paused' ? { ...observation, status: 'running' } : observation
        },
      }),
  },
  {
    name: 'the death of a monitor is not noticed',
    shows: 'monitor.killed',
    wrap: (sim) =>
      altered(sim, {
        create: async (container, options) => {
          const created = await sim.create(container, options)
          return { ...created, monitor: undefined, monitorGone: undefined }
        },
      }),
  },
  {
    name: 'a delete without force is one with force',
    shows: 'delete.refused',
    front: (runtime) =>
      fronted(runtime, { deleteContainer: (container) => runtime.deleteContainer(container) }),
  },
  {
    name: 'what cannot be unpaused is said to have been',
    shows: 'unpause.refused',
    front: (runtime) =>
      fronted(runtime, {
        unpauseContainer: (container) => runtime.unpauseContainer(container).catch(() => undefined),
      }),
  },
  {
    name: 'a stop answers before the container is stopped',
    // A heeded stop takes no simulated time: it is over before anybody can look.
    shows: 'stop.ignored',
    front: (runtime) =>
      fronted(runtime, {
        stopContainer: async (container, timeoutSeconds) => {
          const stop = runtime.stopContainer(container, timeoutSeconds)
          // The walk that notices closes the runtime with the stop still under way.
          stop.catch(() => undefined)
          if (container.status !== 'running') await stop
        },
      }),
  },
  {
    name: 'a create whose command does not exist is said to have succeeded',
    shows: 'create.fails',
    front: (runtime) =>
      fronted(runtime, {
        createContainer: async (container) => {
          try {
            await runtime.createContainer(container)
          } catch (error) {
            if (!isOciError(error) || error.code !== 'ERR_COMMAND_NOT_FOUND') throw error
          }
        },
      }),
  },
  {
    name: 'whoever waits is told of an exit with 0',
    shows: 'stop.gracefully',
    front: (runtime) =>
      fronted(runtime, {
        waitContainer: async (container) => {
          const { finished, oomKilled } = await runtime.waitContainer(container)
          return { kind: 'code', code: 0, inferredSignal: undefined, finished, oomKilled }
        },
      }),
  },
]

/** The simulated runtime with some of its effects replaced. */
function altered(sim: SimulatedRuntime, effects: Partial<RuntimeImpl>): RuntimeImpl {
  return { ...bare(sim), ...effects }
}

function exitsLike(exits: ExitSource, { exits$ }: Pick<ExitSource, 'exits$'>): ExitSource {
  return {
    exits$,
    expect: exits.expect.bind(exits),
    discard: exits.discard.bind(exits),
    scan: exits.scan.bind(exits),
    urgent: exits.urgent.bind(exits),
  }
}

/** The façade with some of its verbs replaced. */
function fronted(runtime: Runtime, verbs: Partial<Runtime>): Runtime {
  return new Proxy(runtime, {
    get: (target, name): unknown => {
      const replaced: unknown = Reflect.get(verbs, name)
      if (replaced !== undefined) return replaced
      // The runtime's own `this`: its private fields are not the proxy's.
      const own: unknown = Reflect.get(target, name, target)
      return typeof own === 'function' ? (own.bind(target) as unknown) : own
    },
  })
}
