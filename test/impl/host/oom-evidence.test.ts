import { describe, expect, it } from 'vitest'
import { endedByOom } from '../../../src/impl/host/oom-evidence.ts'
import { parseOomKills } from '../../../src/impl/host/oom-kills.ts'

const exitedMs = 1_000_000
const none = { kills: 0, firstSeenMs: undefined }

describe('an exit by KILL', () => {
  it('is out of memory when the kernel counted a kill that nobody can explain otherwise', () => {
    expect(endedByOom({ kills: 1, firstSeenMs: exitedMs - 5 }, undefined, exitedMs)).toBe(true)
    expect(endedByOom({ kills: 1, firstSeenMs: undefined }, none, exitedMs)).toBe(true)
  })

  it('is not when the kernel counted none, whatever the oom file says', () => {
    expect(endedByOom(none, undefined, exitedMs)).toBe(false)
    expect(endedByOom({ kills: 0, firstSeenMs: exitedMs }, undefined, exitedMs)).toBe(false)
  })

  it('is not when all kills were before our own KILL', () => {
    const before = { kills: 2, firstSeenMs: exitedMs - 100 }
    expect(endedByOom({ kills: 2, firstSeenMs: exitedMs - 100 }, before, exitedMs)).toBe(false)
    expect(endedByOom({ kills: 3, firstSeenMs: exitedMs - 100 }, before, exitedMs)).toBe(true)
  })

  it('is not when the only kill there was took a child long before', () => {
    expect(endedByOom({ kills: 1, firstSeenMs: exitedMs - 60_000 }, undefined, exitedMs)).toBe(false)
    expect(endedByOom({ kills: 2, firstSeenMs: exitedMs - 60_000 }, undefined, exitedMs)).toBe(true)
  })

  it('goes by the oom file where the counter is gone', () => {
    const seen = { kills: undefined, firstSeenMs: exitedMs - 5 }
    expect(endedByOom(seen, undefined, exitedMs)).toBe(true)
    expect(endedByOom(seen, seen, exitedMs)).toBe(false)
    expect(endedByOom({ kills: undefined, firstSeenMs: undefined }, undefined, exitedMs)).toBe(false)
    expect(endedByOom({ kills: undefined, firstSeenMs: exitedMs - 60_000 }, undefined, exitedMs)).toBe(false)
  })
})

describe('the counter of OOM kills', () => {
  it('is read from both versions of cgroups', () => {
    expect(parseOomKills('oom_kill_disable 0\nunder_oom 0\noom_kill 3\n')).toBe(3)
    expect(parseOomKills('low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n')).toBe(1)
  })

  it('is unknown where the kernel does not count', () => {
    expect(parseOomKills('oom_kill_disable 0\nunder_oom 0\n')).toBeUndefined()
    expect(parseOomKills('')).toBeUndefined()
  })
})
