/**
 * A descriptor that a Socket is to own.
 *
 * In a worker thread Node takes down every descriptor that `fs.open` gives out, and closes at the thread's end those that
 * `fs.close` was not called for. A Socket closes its descriptor without telling that list, so the number would be closed
 * once more at the thread's end, when it is long that of a file or a connection of another thread. Nothing takes a number
 * off the list but `fs.close`, and `trackUnmanagedFds: false` has no effect on a thread that a thread with a list starts.
 *
 * What `fs.promises.open` gives out is on no list: its FileHandle owns it, and would close it too. So in a worker thread
 * the descriptor is opened once more, as a FileHandle which then gives it up. Giving up (`releaseFD`) is internal to Node:
 * there in 22.12 to 26 and looked for before it is relied on. A FileHandle comes by a promise, and who opens a FIFO must
 * not wait: so a thread of our own does it while this one stands still.
 *
 * The main thread keeps no such list: there nothing is done.
 */
import { closeSync } from 'node:fs'
import { getSystemErrorMap } from 'node:util'
import { isMainThread, Worker } from 'node:worker_threads'
import { OciError } from '../errors/index.ts'

const unsupported = -0x7fff_ffff

/** Answers with the descriptor, a negative errno, or that it does not work. */
const opener = `
const { open } = require('node:fs/promises')
const { parentPort, workerData: answer } = require('node:worker_threads')
const unsupported = ${unsupported}

parentPort.on('message', async ({ path, flags }) => {
  answer[1] = await open(path, flags).then(released, (error) => error.errno ?? unsupported)
  Atomics.store(answer, 0, 1)
  Atomics.notify(answer, 0)
})

async function released(handle) {
  const { fd } = handle
  const owner = Object.getOwnPropertySymbols(handle).map((key) => handle[key]).find((value) => value?.releaseFD)
  if (owner === undefined) {
    await handle.close()
    return unsupported
  }
  owner.releaseFD()
  return fd
}`
/** It starts in 25 ms and answers in half a millisecond, on a host that is not overloaded. */
const answerLimitMs = 30_000

let thread: { readonly worker: Worker; readonly answer: Int32Array } | undefined

/**
 * A descriptor of the same pipe that a Socket may close, in place of `fd`, which `openSync` gave for `flags`. Throws the
 * error of the open or ERR_UNSUPPORTED, with `fd` closed.
 */
export function untrackedFd(fd: number, flags: number): number {
  if (isMainThread) return fd
  try {
    return openUntracked(`/proc/self/fd/${fd}`, flags)
  } finally {
    closeSync(fd)
  }
}

function openUntracked(path: string, flags: number): number {
  thread ??= startThread()
  const { worker, answer } = thread
  Atomics.store(answer, 0, 0)
  worker.postMessage({ path, flags }, [])
  if (Atomics.wait(answer, 0, 0, answerLimitMs) === 'timed-out') {
    thread = undefined
    void worker.terminate()
    throw new OciError('ERR_IO', `cannot open ${path}: no answer within ${answerLimitMs} ms`, { file: path })
  }
  const [, opened = unsupported] = answer
  if (opened >= 0) return opened
  if (opened === unsupported) {
    const message = `in a worker thread Node ${process.version} would close descriptors of other threads; run containers in the main thread`
    throw new OciError('ERR_UNSUPPORTED', message)
  }
  const [code, message] = getSystemErrorMap().get(opened) ?? [`errno ${-opened}`, 'unknown error']
  throw Object.assign(new Error(`${code}: ${message}, open '${path}'`), { code, path })
}

/** Lives as long as the thread that it serves, and keeps it from ending no longer than that wants. */
function startThread(): NonNullable<typeof thread> {
  const answer = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
  const worker = new Worker(opener, {
    eval: true,
    name: 'oci-supervisor descriptors',
    workerData: answer,
    env: {},
    execArgv: [],
  })
  const forget = (): void => {
    if (thread?.worker === worker) thread = undefined
  }
  worker.once('exit', forget).once('error', forget).unref()
  return { worker, answer }
}
