import { describe, expect, it } from 'vitest'
import { whileRunning } from '../../../src/impl/host/container-root.ts'
import { RootfsAccesses } from '../../../src/impl/host/rootfs-access.ts'

/** An access that hangs until it is let go. */
function hanging() {
  const { promise, resolve } = Promise.withResolvers<string>()
  return { access: () => promise, letGo: () => resolve('late') }
}

const enough = 60_000

describe('accesses to root filesystems', () => {
  it('that hang keep two threads at most, and of each root filesystem one', async () => {
    const accesses = new RootfsAccesses(enough)
    const begun: string[] = []
    const letGo: (() => void)[] = []
    const ask = (rootfs: string): Promise<string> => {
      const one = hanging()
      letGo.push(one.letGo)
      return accesses.run(rootfs, () => {
        begun.push(rootfs)
        return one.access()
      })
    }
    const all = ['/a', '/a', '/b', '/b', '/c'].map(ask)
    expect(begun).toEqual(['/a', '/b'])
    for (const each of letGo) each()
    await Promise.all(all)
    expect(begun).toEqual(['/a', '/b', '/a', '/b', '/c'])
  })

  it('are answered with ERR_TIMEOUT and the path when they hang, those that wait for their turn too', async () => {
    const accesses = new RootfsAccesses(20)
    const hung = hanging()
    let isBegun = false
    const late = [
      accesses.run('/a', hung.access),
      accesses.run('/a', () => {
        isBegun = true
        return Promise.resolve('never')
      }),
    ]
    for (const each of late) {
      const message = expect.stringContaining('/a') as unknown
      await expect(each).rejects.toMatchObject({ code: 'ERR_TIMEOUT', file: '/a', message })
    }
    hung.letGo()
    expect(await new RootfsAccesses(enough).run('/a', () => Promise.resolve('answer'))).toBe('answer')
    expect(isBegun).toBe(false)
  })

  it('are what lookups of names in a container make: one after the other', async () => {
    const root = { directory: '/container' }
    const order: string[] = []
    const hung = hanging()
    const first = whileRunning(root, async () => order.push(await hung.access()))
    const second = whileRunning(root, () => Promise.resolve(order.push('second')))
    await whileRunning({ directory: '/other' }, () => Promise.resolve(order.push('other')))
    hung.letGo()
    await Promise.all([first, second])
    expect(order).toEqual(['other', 'late', 'second'])
  })

  it('of other root filesystems go on while one hangs, and that one does when it answers again', async () => {
    const hung = hanging()
    const accesses = new RootfsAccesses(enough)
    const first = accesses.run('/a', hung.access)
    const second = accesses.run('/a', () => Promise.resolve('second'))
    expect(await accesses.run('/b', () => Promise.resolve('b'))).toBe('b')
    await expect(accesses.run('/c', () => Promise.reject(new Error('no disk')))).rejects.toThrow('no disk')
    expect(await accesses.run('/c', () => Promise.resolve('c'))).toBe('c')
    hung.letGo()
    expect(await Promise.all([first, second])).toEqual(['late', 'second'])
  })
})
