import { expect, it } from 'vitest'
import { Container } from '../../../src/container.ts'
import { seeFrozen } from '../../../src/impl/host/freezer.ts'

const web = new Container({ id: 'web', bundlePath: '/b' })
const nobodyAborts = new AbortController().signal

it('a paused container is frozen when the kernel says so, not before', async () => {
  const answers = [false, false, true]
  await seeFrozen(() => Promise.resolve(answers.shift()), web, 10_000, nobodyAborts)
  expect(answers).toEqual([])
})

it('a paused container whose freezer cannot be read is as the runtime says', async () => {
  await expect(
    seeFrozen(() => Promise.resolve(undefined), web, 10_000, nobodyAborts),
  ).resolves.toBeUndefined()
})

it('a container that the kernel does not freeze is not said to be paused', async () => {
  const attempt = seeFrozen(() => Promise.resolve(false), web, 10, nobodyAborts)
  await expect(attempt).rejects.toMatchObject({ code: 'ERR_TIMEOUT', containerId: 'web' })
})
