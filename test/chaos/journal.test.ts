import { describe, expect, it } from 'vitest'
import { parseJournal, promisedOf, type JournalEntry } from './journal.ts'

const asked = (verb: 'create' | 'start' | 'stop' | 'delete'): JournalEntry => ({
  type: 'asked',
  verb,
  id: 'a',
})
const done = (verb: 'create' | 'start' | 'stop' | 'delete'): JournalEntry => ({ type: 'done', verb, id: 'a' })

describe('what a dead supervisor had promised', () => {
  it('is nothing of a container that nobody asked for', () => {
    expect(promisedOf([], 'a').presence).toBe('mustNot')
  })

  it('is a container as soon as its create was answered, and no more once its delete was', () => {
    const life = [asked('create'), done('create'), asked('delete'), done('delete')]
    const presences = [1, 2, 3, 4].map((count) => promisedOf(life.slice(0, count), 'a').presence)
    expect(presences).toEqual(['may', 'must', 'may', 'mustNot'])
  })

  it('is exactly one status when a verb was answered, and either when it was not', () => {
    const life = [asked('create'), done('create'), asked('start')]
    expect([...promisedOf(life, 'a').statuses]).toEqual(['created', 'running', 'stopped'])
    expect([...promisedOf([...life, done('start'), asked('stop'), done('stop')], 'a').statuses]).toEqual([
      'stopped',
    ])
  })
})

describe('a journal', () => {
  it('ends with its last whole line', () => {
    const whole = JSON.stringify(asked('create'))
    expect(parseJournal(`${whole}\n${whole.slice(0, 9)}`)).toEqual([asked('create')])
  })
})
