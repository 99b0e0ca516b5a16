import { Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { shareOfExits } from '../../src/actors/exit-share.ts'
import type { ExitFact } from '../../src/impl/runtime-impl.ts'

/** A stream of exits that two implementations share, and what the second asked of it. */
function stage({ discarded = Promise.resolve() } = {}) {
  const exits$ = new Subject<ExitFact>()
  const asked: string[] = []
  const share = shareOfExits({
    exits$,
    expect: (id) => {
      asked.push(`expect ${id}`)
      if (id === '') throw new Error('an id must not be empty')
    },
    discard: (id) => {
      asked.push(`discard ${id}`)
      return discarded
    },
    scan: () => {
      asked.push('scan')
      return Promise.resolve()
    },
    urgent: (id, waiting) => {
      asked.push(`urgent ${id} ${waiting}`)
    },
  })
  const heard: string[] = []
  share.exits$.subscribe(({ id }) => heard.push(id))
  const exit = (id: string): void => {
    exits$.next({ id, code: 0, finished: 'now' })
  }
  return { share, exit, heard, asked }
}

describe('a share of the exits', () => {
  it('tells of those that were expected here, until they are discarded', async () => {
    const { share, exit, heard } = stage()
    exit('mine')
    share.expect('mine')
    exit('another')
    exit('mine')
    await share.discard('mine')
    exit('mine')
    expect(heard).toEqual(['mine'])
  })

  it('asks for everything where the exits are', async () => {
    const { share, asked } = stage()
    share.expect('a')
    share.urgent('a', true)
    await share.scan()
    await share.discard('a')
    expect(asked).toEqual(['expect a', 'urgent a true', 'scan', 'discard a'])
  })

  it('has discarded an exit no sooner than that is done', async () => {
    const failing = Promise.reject(new Error('EROFS'))
    await expect(stage({ discarded: failing }).share.discard('a')).rejects.toThrow('EROFS')
  })

  it('does not take what cannot be expected for its own', () => {
    const { share, exit, heard } = stage()
    expect(() => share.expect('')).toThrow('must not be empty')
    exit('')
    expect(heard).toEqual([])
  })
})
