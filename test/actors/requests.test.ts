import { describe, expect, it } from 'vitest'
import { Requests } from '../../src/actors/requests.ts'
import { OciError } from '../../src/errors/index.ts'

const error = new OciError('ERR_ABORTED', 'it is over')

describe('requests', () => {
  it('are joined by the next of their kind while they are open', () => {
    const requests = new Requests()
    const first = requests.take('start')
    expect(requests.take('start').requestId).toBe(first.requestId)
    requests.fail(first.requestId, error)
    expect(requests.take('start').requestId).not.toBe(first.requestId)
  })

  it('are not joined by what comes after their undoing, but for a stop and a delete', () => {
    const requests = new Requests()
    const [pause, stop] = [requests.take('pause'), requests.take('stop')]
    requests.take('unpause')
    expect(requests.take('pause').requestId).not.toBe(pause.requestId)
    expect(requests.take('stop').requestId).toBe(stop.requestId)
    const deletion = requests.take('delete')
    requests.take('start')
    expect(requests.take('delete').requestId).toBe(deletion.requestId)
  })

  it('that fail unheard harm nobody', async () => {
    const requests = new Requests()
    const { requestId, settled } = requests.take('stop')
    const unheard: unknown[] = []
    const hear = (reason: unknown): void => void unheard.push(reason)
    process.prependOnceListener('unhandledRejection', hear)
    requests.fail(requestId, error)
    await new Promise((resolve) => setImmediate(resolve))
    process.removeListener('unhandledRejection', hear)
    expect(unheard).toEqual([])
    await expect(settled).rejects.toBe(error)
  })

  it('are idle once those that are answered have been told, whatever has come since', async () => {
    const requests = new Requests()
    const ready = Promise.withResolvers<void>()
    const { requestId, settled } = requests.take('start')
    requests.succeed(requestId, ready.promise)
    const order: string[] = []
    const idle = requests.idle().then(() => order.push('idle'))
    requests.take('stop')
    void settled.then(() => order.push('told'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(order).toEqual([])
    ready.resolve()
    await idle
    expect(order).toEqual(['told', 'idle'])
    const later = requests.idle().then(() => order.push('idle again'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(order).not.toContain('idle again')
    requests.rejectAll(error)
    await later
  })

  it('get one reply only', async () => {
    const requests = new Requests()
    const { requestId, settled } = requests.take('start')
    requests.fail(requestId, error)
    requests.succeed(requestId, Promise.resolve())
    requests.fail(requestId, new OciError('ERR_BUSY', 'another'))
    await expect(settled).rejects.toBe(error)
  })
})
