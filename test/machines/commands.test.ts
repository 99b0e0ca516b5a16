import { afterEach, describe, expect, it } from 'vitest'
import { endTrials, type Trial } from './harness.ts'
import { places, type Place } from './places.ts'

afterEach(endTrials)

/** The commands in the order of the columns below; `delete` alone is forced. */
const commands: Record<string, (trial: Trial) => number> = {
  create: (trial) => trial.create(),
  start: (trial) => trial.command('start'),
  pause: (trial) => trial.command('pause'),
  unpause: (trial) => trial.command('unpause'),
  stop: (trial) => trial.stop(10_000),
  delete: (trial) => trial.delete(),
  'delete unforced': (trial) => trial.delete(false),
}

/** w = is done later or joins, d = nothing to do, so done at once, – = the state forbids it. */
const table = {
  //                     create start pause unpause stop delete unforced
  registered: '            w      –     –     –       –    –      –',
  creating: '              w      w     –     –       w    w      –',
  'cleaning a create': '   w      w     –     –       w    w      w',
  failed: '                –      –     –     –       d    w      w',
  created: '               –      w     –     –       w    w      –',
  starting: '              –      w     w     –       w    w      –',
  'cleaning a start': '    –      w     –     –       w    w      w',
  running: '               –      –     w     –       w    w      –',
  pausing: '               –      –     w     w       w    w      –',
  paused: '                –      –     –     w       w    w      –',
  resuming: '              –      –     w     w       w    w      –',
  observing: '             –      –     w     w       w    w      –',
  'stopping.thawing': '    –      –     –     –       w    w      –',
  'stopping.signalling': ' –      –     –     –       w    w      –',
  'stopping.grace': '      –      –     –     –       w    w      –',
  'stopping.killing': '    –      –     –     –       w    w      –',
  exiting: '               –      –     –     –       w    w      w',
  stopped: '               –      –     –     –       d    w      w',
  deleting: '              –      –     –     –       d    w      w',
} satisfies Record<Place, string>

const cells: Readonly<Record<string, string>> = table
const words: Readonly<Record<string, string>> = { w: 'waits', d: 'done', '–': 'refused' }

const rows = Object.entries(places).flatMap(([place, arrive]) => {
  const outcomes = (cells[place] ?? '').trim().split(/\s+/)
  return Object.entries(commands).map(
    ([name, command], i) => [place, name, words[outcomes[i] ?? ''], arrive, command] as const,
  )
})

describe('a command', () => {
  it.each(rows)('%s: %s %s', async (_place, _name, outcome, arrive, command) => {
    const trial = await arrive()
    expect(trial.reply(command(trial))).toBe(outcome)
  })

  it.each(rows.filter(([, , outcome]) => outcome === 'waits'))(
    'sent again under its id while it waits is answered once (%s: %s)',
    async (_place, _name, _outcome, arrive, command) => {
      const trial = await arrive()
      const request = command(trial)
      trial.again(request)
      await trial.end()
      expect(trial.said.filter((said) => said.includes(': ')).length).toBe(trial.requests)
    },
  )

  it.each(Object.entries(places))('of each kind at once is answered exactly once (%s)', async (_, arrive) => {
    const trial = await arrive()
    const requests = Object.values(commands).map((command) => command(trial))
    await trial.end()
    expect(requests.map((request) => trial.reply(request))).not.toContain('waits')
  })
})
