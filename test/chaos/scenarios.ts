/**
 * What a supervisor is doing when it is killed. Run by victim.ts on the instrumented copy; only what happens in `act`
 * counts as a place to die.
 */
import type { Container, Runtime } from '../../src/index.ts'
import type { Program } from './ground.ts'
import type { ChaosVerb } from './journal.ts'

export interface Stage {
  /** Opens the runtime; once. */
  open(): Promise<Runtime>
  /** A container with its bundle, described. */
  container(suffix: string, program: Program): Promise<Container>
  /** Notes what is asked and what comes of it. A failure is noted and goes no further. */
  ask(verb: ChaosVerb, container: Container, run: () => Promise<unknown>): Promise<void>
  /** Resolves when the container's program runs. */
  begun(container: Container): Promise<void>
  /** Lets a program that waits end. */
  letGo(container: Container): void
  /** How many containers a burst is of. */
  readonly burst: number
}

export interface Scenario {
  /** What has happened before, in the same process. */
  readonly prepare: (stage: Stage) => Promise<Act>
  /** Another scenario that an earlier supervisor had come to the end of when it was killed. */
  readonly past?: ScenarioName
}

type Act = () => Promise<void>

export const scenarioNames = [
  'create',
  'start',
  'exit',
  'stop',
  'kill',
  'pause',
  'exec',
  'delete',
  'forcedDelete',
  'life',
  'past',
  'recovery',
  'createBurst',
  'startBurst',
  'stopBurst',
  'deleteBurst',
  'execBurst',
] as const
export type ScenarioName = (typeof scenarioNames)[number]

/** The same verb of many containers at once. */
export const burstNames = [
  'createBurst',
  'startBurst',
  'stopBurst',
  'deleteBurst',
  'execBurst',
] as const satisfies readonly ScenarioName[]
export const burstSizes = [4, 12, 20] as const

async function created(stage: Stage, program: Program, suffix = 'a'): Promise<[Runtime, Container]> {
  const runtime = await stage.open()
  const container = await stage.container(suffix, program)
  await stage.ask('create', container, () => runtime.createContainer(container))
  return [runtime, container]
}

async function running(stage: Stage, program: Program, suffix = 'a'): Promise<[Runtime, Container]> {
  const [runtime, container] = await created(stage, program, suffix)
  await stage.ask('start', container, () => runtime.startContainer(container))
  await stage.begun(container)
  return [runtime, container]
}

async function ended(stage: Stage, suffix = 'a'): Promise<[Runtime, Container]> {
  const [runtime, container] = await created(stage, 'ends', suffix)
  await stage.ask('start', container, () => runtime.startContainer(container))
  await stage.ask('wait', container, () => runtime.waitContainer(container))
  return [runtime, container]
}

function atOnce<T>(all: readonly T[], act: (one: T) => Promise<void>): Act {
  return async () => {
    await Promise.all(all.map(act))
  }
}

/** As many at once as the stage says; `make` gets what tells them apart. */
function burst<T>(stage: Stage, make: (suffix: string) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: stage.burst }, (_, index) => make(String(index))))
}

export const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  create: {
    prepare: async (stage) => {
      const runtime = await stage.open()
      const container = await stage.container('a', 'waits')
      return () => stage.ask('create', container, () => runtime.createContainer(container))
    },
  },
  start: {
    prepare: async (stage) => {
      const [runtime, container] = await created(stage, 'waits')
      return () => stage.ask('start', container, () => runtime.startContainer(container))
    },
  },
  exit: {
    prepare: async (stage) => {
      const [runtime, container] = await running(stage, 'waits')
      return async () => {
        stage.letGo(container)
        await stage.ask('wait', container, () => runtime.waitContainer(container))
      }
    },
  },
  stop: {
    prepare: async (stage) => {
      const [runtime, container] = await running(stage, 'waits')
      return () => stage.ask('stop', container, () => runtime.stopContainer(container, 600))
    },
  },
  kill: {
    prepare: async (stage) => {
      const [runtime, container] = await running(stage, 'ignoresTerm')
      return () => stage.ask('stop', container, () => runtime.stopContainer(container, 0.05))
    },
  },
  pause: {
    prepare: async (stage) => {
      const [runtime, container] = await running(stage, 'waits')
      return async () => {
        await stage.ask('pause', container, () => runtime.pauseContainer(container))
        await stage.ask('unpause', container, () => runtime.unpauseContainer(container))
      }
    },
  },
  exec: {
    prepare: async (stage) => {
      const [runtime, container] = await running(stage, 'waits')
      return () =>
        stage.ask('exec', container, () => runtime.execSyncContainer(container, ['/bin/echo', 'said'], 30))
    },
  },
  delete: {
    prepare: async (stage) => {
      const [runtime, container] = await ended(stage)
      return () => stage.ask('delete', container, () => runtime.deleteContainer(container))
    },
  },
  forcedDelete: {
    prepare: async (stage) => {
      const [runtime, container] = await running(stage, 'waits')
      return () => stage.ask('delete', container, () => runtime.deleteContainer(container))
    },
  },
  /** All of it without a rest between, for faults of others than the embedder. */
  life: {
    prepare: async (stage) => {
      const runtime = await stage.open()
      const container = await stage.container('a', 'waits')
      return async () => {
        await stage.ask('create', container, () => runtime.createContainer(container))
        await stage.ask('start', container, () => runtime.startContainer(container))
        await stage.ask('pause', container, () => runtime.pauseContainer(container))
        await stage.ask('unpause', container, () => runtime.unpauseContainer(container))
        await stage.ask('exec', container, () => runtime.execSyncContainer(container, ['/bin/true'], 3))
        await stage.ask('stop', container, () => runtime.stopContainer(container, 0))
        await stage.ask('delete', container, () => runtime.deleteContainer(container))
      }
    },
  },
  /** A bit of everything, left behind. */
  past: {
    prepare: async (stage) => {
      const [runtime] = await running(stage, 'waits', 'runs')
      const stopping = async (): Promise<void> => {
        const [, container] = await running(stage, 'ignoresTerm', 'stopping')
        // Never answered: its grace outlasts this process.
        void stage.ask('stop', container, () => runtime.stopContainer(container, 1))
      }
      const paused = async (): Promise<void> => {
        const [, container] = await running(stage, 'waits', 'paused')
        await stage.ask('pause', container, () => runtime.pauseContainer(container))
      }
      await Promise.all([
        created(stage, 'waits', 'created'),
        running(stage, 'waits', 'ends'),
        ended(stage, 'ended'),
        stopping(),
        paused(),
      ])
      return () => Promise.resolve()
    },
  },
  recovery: {
    past: 'past',
    prepare: () => Promise.resolve(() => Promise.resolve()),
  },
  createBurst: {
    prepare: async (stage) => {
      const runtime = await stage.open()
      const containers = await burst(stage, (suffix) => stage.container(suffix, 'waits'))
      return atOnce(containers, (container) =>
        stage.ask('create', container, () => runtime.createContainer(container)),
      )
    },
  },
  startBurst: {
    prepare: async (stage) => {
      const all = await burst(stage, (suffix) => created(stage, 'waits', suffix))
      return atOnce(all, ([runtime, container]) =>
        stage.ask('start', container, () => runtime.startContainer(container)),
      )
    },
  },
  stopBurst: {
    prepare: async (stage) => {
      const all = await burst(stage, (suffix) => running(stage, 'waits', suffix))
      return atOnce(all, ([runtime, container]) =>
        stage.ask('stop', container, () => runtime.stopContainer(container, 600)),
      )
    },
  },
  /** Of containers that have ended, and of as many that run. */
  deleteBurst: {
    prepare: async (stage) => {
      const all = await burst(stage, (suffix) =>
        Number(suffix) % 2 === 0 ? ended(stage, suffix) : running(stage, 'waits', suffix),
      )
      return atOnce(all, ([runtime, container]) =>
        stage.ask('delete', container, () => runtime.deleteContainer(container)),
      )
    },
  },
  execBurst: {
    prepare: async (stage) => {
      const all = await burst(stage, (suffix) => running(stage, 'waits', suffix))
      return atOnce(all, ([runtime, container]) =>
        stage.ask('exec', container, () => runtime.execSyncContainer(container, ['/bin/echo', 'said'], 30)),
      )
    },
  },
}
