import { describe, expect, it } from 'vitest'
import { RunningEffects } from '../../src/actors/running-effects.ts'
import { OciError } from '../../src/errors/index.ts'

const over = new OciError('ERR_CLOSED', 'it is over')

/** Begins an effect that shows its signal and ends when the test says so. */
function begin(effects: RunningEffects, left?: AbortSignal) {
  const { promise, resolve } = Promise.withResolvers<string>()
  let seen: AbortSignal | undefined
  const outcome = effects.run(left, (signal) => {
    seen = signal
    return promise
  })
  return { outcome, end: resolve, reason: (): unknown => (seen?.aborted === true ? seen.reason : 'goes on') }
}

describe('an effect under way', () => {
  it('is told when who began it leaves it, also before it began', () => {
    const effects = new RunningEffects()
    const controller = new AbortController()
    const early = begin(effects, controller.signal)
    const alone = begin(effects)
    expect(early.reason()).toBe('goes on')
    controller.abort('nobody waits')
    const late = begin(effects, controller.signal)
    expect([early.reason(), late.reason(), alone.reason()]).toEqual([
      'nobody waits',
      'nobody waits',
      'goes on',
    ])
  })

  it('is told when all of them are ended, and what has ended before is not', async () => {
    const effects = new RunningEffects()
    const [ended, other] = [begin(effects, new AbortController().signal), begin(effects)]
    ended.end('done')
    expect(await ended.outcome).toBe('done')
    effects.abort(over)
    expect([ended.reason(), other.reason()]).toEqual(['goes on', over])
  })

  it('hears nothing once it has ended', async () => {
    const effects = new RunningEffects()
    const controller = new AbortController()
    const { outcome, end, reason } = begin(effects, controller.signal)
    end('done')
    await outcome
    controller.abort('late')
    expect(reason()).toBe('goes on')
  })
})
