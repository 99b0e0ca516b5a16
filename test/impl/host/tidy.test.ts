import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { abandonedIn, markedName } from '../../../src/impl/host/owner-mark.ts'
import { removeExitTemporaries } from '../../../src/impl/host/monitor-temporaries.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

it('temporary exit files of our silent containers go, and nothing else', async () => {
  const directory = makeTempRoot()
  const kept = ['web', 'web.AbC123', 'other.AbC123', 'job.AbC12', 'job.AbC1234', 'job.AbC12-']
  for (const name of [...kept, 'job.AbC123', 'job.zzzzzz']) writeFileSync(join(directory, name), '')
  // `web.AbC123` is the id of a container, and not what is left of an exit of `web`.
  await removeExitTemporaries(directory, new Set(['job', 'web', 'web.AbC123']))
  expect(readdirSync(directory).toSorted()).toEqual(kept.toSorted())
  await removeExitTemporaries(join(directory, 'missing'), new Set(['job']))
})

it('what bears the mark of a process is abandoned once that is no more', async () => {
  const directory = makeTempRoot()
  const own = markedName('a')
  for (const name of [own, `${process.pid}-1-b`, '4194303-7-c', 'stranger']) {
    writeFileSync(join(directory, name), '')
  }
  const abandoned = await abandonedIn(directory)
  expect([...abandoned].toSorted()).toEqual(
    [`${process.pid}-1-b`, '4194303-7-c'].map((name) => join(directory, name)).toSorted(),
  )
})
