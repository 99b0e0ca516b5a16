/** A worker thread that has every kind of stream over a FIFO, ends them all, and then waits to be ended itself. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { FifoCapture, FifoEnd, readFifo, writeFifo } from '../../src/impl/fifo.ts'
import { MonitorReports } from '../../src/impl/oci/monitor-reports.ts'
import { readShimLog } from '../../src/impl/vm/shim/shim-log.ts'
import { InputFifo } from '../../src/impl/vm/streams/input-fifo.ts'
import { OutputFifo } from '../../src/impl/vm/streams/output-fifo.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'

// First of all: this keeps the thread from ending by itself.
parentPort?.once('message', () => process.exit())

const directory = z.string().parse(workerData)
let fifos = 0

function makeFifo(): string {
  fifos += 1
  const path = `${directory}/${fifos}`
  execFileSync('mkfifo', [path])
  return path
}

/** What `use` makes of a FIFO that it reads; somebody wrote `text` to it and left. */
async function reading(use: (path: string, written: (text: string) => void) => Promise<void>): Promise<void> {
  const path = makeFifo()
  await use(path, (text) => execFileSync('sh', ['-c', 'printf "$0" > "$1"', text, path]))
}

await reading(async (path, written) => {
  const end = FifoEnd.toRead(path)
  written('captured')
  const capture = new FifoCapture(end, 100)
  await capture.ended
})
await reading(async (path, written) => {
  const end = FifoEnd.toRead(path)
  written('streamed')
  for await (const chunk of readFifo(end).stream) z.instanceof(Buffer).parse(chunk)
})
await reading(async (path, written) => {
  const end = FifoEnd.toRead(path)
  written('{"data": 7}\n')
  const reports = new MonitorReports(end)
  if ((await reports.next()) !== 7) throw new Error('the report is lost')
  reports.close()
})
await reading(async (path, written) => {
  const output = new OutputFifo(path, () => undefined)
  written('output')
  output.writerCame()
  if (!(await output.ended)) throw new Error('the output has no end')
})
await reading(async (path, written) => {
  const { promise: logged, resolve } = Promise.withResolvers<string>()
  const log = readShimLog(path, 'c', {
    ...silentLogger,
    info: (_: object, line?: string) => resolve(line ?? ''),
  })
  written('a line\n')
  await logged
  log.close()
})

const written = makeFifo()
const readEnd = openSync(written, 'r+')
const writer = writeFifo(FifoEnd.toWrite(written))
writer.end('input')
await once(writer, 'close')
const input = new InputFifo(written, {
  closeStdin: () => Promise.resolve(),
  complain: () => undefined,
  keepsAlive: true,
})
input.started()
input.end('input')
await once(input, 'close')
closeSync(readEnd)

// What has no end of its own: both are still open when the thread is ended.
const abandoned = makeFifo()
FifoEnd.toRead(abandoned)
readFifo(FifoEnd.toRead(makeFifo()))

parentPort?.postMessage('used', [])
