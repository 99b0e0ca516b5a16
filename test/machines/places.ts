/** Ways to bring a container to each place of its life, with nothing in flight but what the place itself waits for. */
import { Trial, type TrialOptions } from './harness.ts'

type Way = (options?: TrialOptions) => Promise<Trial>

const registered: Way = (options) => Promise.resolve(new Trial(options))

const creating: Way = async (options) => {
  const trial = await registered(options)
  trial.create()
  return trial
}

const created: Way = async (options) => {
  const trial = await creating(options)
  await trial.done('create')
  return trial
}

const starting: Way = async (options) => {
  const trial = await created(options)
  trial.command('start')
  return trial
}

const running: Way = async (options) => {
  const trial = await starting(options)
  await trial.done('start')
  return trial
}

const pausing: Way = async (options) => {
  const trial = await running(options)
  trial.command('pause')
  return trial
}

const paused: Way = async (options) => {
  const trial = await pausing(options)
  await trial.done('pause')
  return trial
}

const exiting: Way = async (options) => {
  const trial = await running(options)
  trial.exited()
  return trial
}

const stopped: Way = async (options) => {
  const trial = await exiting(options)
  await trial.done('settle')
  await trial.done('record')
  return trial
}

export const places = {
  registered,
  creating,
  'cleaning a create': async (options?: TrialOptions) => {
    const trial = await creating(options)
    await trial.fails('create', 'ERR_CREATE_FAILED')
    return trial
  },
  failed: async (options?: TrialOptions) => {
    const trial = await creating(options)
    await trial.fails('create', 'ERR_CREATE_FAILED')
    await trial.done('cleanUp')
    return trial
  },
  created,
  starting,
  'cleaning a start': async (options?: TrialOptions) => {
    const trial = await starting(options)
    await trial.fails('start', 'ERR_COMMAND_NOT_FOUND')
    return trial
  },
  running,
  pausing,
  paused,
  resuming: async (options?: TrialOptions) => {
    const trial = await paused(options)
    trial.command('unpause')
    return trial
  },
  observing: async (options?: TrialOptions) => {
    const trial = await pausing(options)
    await trial.fails('pause')
    return trial
  },
  'stopping.thawing': async (options?: TrialOptions) => {
    const trial = await paused(options)
    trial.stop(10_000)
    return trial
  },
  'stopping.signalling': async (options?: TrialOptions) => {
    const trial = await running(options)
    trial.stop(10_000)
    return trial
  },
  'stopping.grace': async (options?: TrialOptions) => {
    const trial = await running(options)
    trial.stop(10_000)
    await trial.done('signal')
    return trial
  },
  'stopping.killing': async (options?: TrialOptions) => {
    const trial = await running(options)
    trial.stop(0)
    return trial
  },
  exiting,
  stopped,
  deleting: async (options?: TrialOptions) => {
    const trial = await stopped(options)
    trial.delete()
    return trial
  },
} as const satisfies Record<string, Way>

export type Place = keyof typeof places

/** Where the process lives and its end is news. `starting` keeps the news until the start is known. */
export const livePlaces = [
  'created',
  'running',
  'pausing',
  'paused',
  'resuming',
  'observing',
  'stopping.thawing',
  'stopping.signalling',
  'stopping.grace',
  'stopping.killing',
] as const satisfies readonly Place[]
