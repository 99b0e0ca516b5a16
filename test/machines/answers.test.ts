import { afterEach, describe, expect, it } from 'vitest'
import { retryAttemptsMax } from '../../src/machines/delays.ts'
import { endTrials, type Trial } from './harness.ts'
import { places } from './places.ts'

afterEach(endTrials)

/** Each of these was found by the exploration of the machine. */
describe('a command that joins one that waits', () => {
  it('is not refused while a failed start is recorded, nor is the one that it joins', async () => {
    const trial = await places['cleaning a start']()
    await trial.done('cleanUp')
    expect(trial.phase).toBe('exiting')
    trial.again(startOf(trial))
    expect(trial.said).not.toContain('start: refused')
    await trial.done('record')
    expect(trial.reply(startOf(trial))).toBe('ERR_COMMAND_NOT_FOUND')
  })

  it('is not refused while a failed start is cleaned up, when it is queued behind that', async () => {
    const trial = await places.starting()
    const pause = trial.command('pause')
    await trial.fails('start')
    trial.again(pause)
    expect(trial.reply(pause)).toBe('waits')
    await trial.done('cleanUp')
    expect(trial.reply(pause)).toBe('ERR_NOT_RUNNING')
  })

  it('gets one reply with it where the create before it failed', async () => {
    const trial = await places.creating()
    const start = trial.command('start')
    await trial.fails('create')
    trial.again(start)
    await trial.done('cleanUp')
    expect(trial.said.filter((word) => word.startsWith('start'))).toEqual(['start: ERR_RUNTIME_FAILED'])
  })
})

describe('who waits for a freezer that does not answer', () => {
  it('is told after as many attempts as anything is given, by failures', async () => {
    const trial = await places.observing()
    const pause = trial.command('pause')
    for (let attempt = 1; attempt <= retryAttemptsMax; attempt++) {
      expect(trial.reply(pause)).toBe('waits')
      await untilAsked(trial)
      await trial.fails('observe')
    }
    expect(trial.reply(pause)).toBe('ERR_RUNTIME_FAILED')
    expect(trial.phase).toBe('observing')
  })

  it('is told by silence', async () => {
    const trial = await places.observing()
    const unpause = trial.command('unpause')
    await trial.pass(200_000)
    expect(trial.error(unpause)).toMatchObject({ code: 'ERR_TIMEOUT', operation: 'updateContainerStatus' })
    expect(trial.phase).toBe('observing')
  })

  it('is heard once it answers after all', async () => {
    const trial = await places.observing()
    await trial.pass(200_000)
    const pause = trial.command('pause')
    await untilAsked(trial)
    await trial.done('observe')
    await trial.done('pause')
    expect(trial.reply(pause)).toBe('done')
  })
})

describe('a container whose clean-up was given up', () => {
  it('is deleted by force, since something of it may live', async () => {
    const trial = await places['cleaning a create']()
    for (let attempt = 1; attempt <= retryAttemptsMax; attempt++) {
      await trial.fails('cleanUp')
      await trial.pass(30_000)
    }
    expect(trial.phase).toBe('failed')
    trial.delete()
    expect(trial.deletesUncleaned).toBe(true)
    await trial.done('delete')
  })

  it('is deleted as any other when the clean-up succeeded', async () => {
    const trial = await places.failed()
    trial.delete()
    expect(trial.deletesUncleaned).toBe(false)
    await trial.done('delete')
  })
})

describe('a stop while starting', () => {
  it('kills once started when its deadline has passed, even if the timer is late', async () => {
    const trial = await places.starting()
    trial.stop(10_000)
    trial.clock.late(() => {
      trial.stop(60_000)
    }, 20_000)
    await trial.done('start')
    expect(trial.phase).toBe('stopping.killing')
  })
})

/** Lets the pause between two looks pass. */
async function untilAsked(trial: Trial): Promise<void> {
  while (!trial.inFlight().includes('observe')) await trial.pass(100)
}

describe('a stop of a start whose process is known to be dead', () => {
  it('kills nothing', async () => {
    const trial = await places.starting()
    trial.exited(3)
    const stop = trial.stop(0)
    expect(trial.phase).toBe('exiting')
    expect(trial.inFlight()).toEqual(['settle'])
    await trial.done('settle')
    await trial.done('record')
    expect(trial.reply(stop)).toBe('done')
  })

  it('does not wait for a report either', async () => {
    const trial = await places.starting()
    trial.gone()
    trial.delete()
    expect(trial.phase).toBe('exiting')
  })
})

/** The request that {@link places.starting} makes. */
function startOf(trial: Trial): number {
  return trial.requests
}
