/**
 * What conmon loses of a busy log that is rotated: node bench/log-rotation.ts [RUNTIME] [ROTATIONS]
 *
 * A container prints numbers as fast as it can; its log is renamed and reopened again and again. Afterwards every number
 * is looked for. Also says how fast the log reader reads.
 */
import { existsSync, renameSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { joinLogLines, readContainerLog } from '../src/container-log/index.ts'
import { sendControlLine } from '../src/impl/oci/control-fifo.ts'
import { openRealRuntime } from './real-runtime.ts'

const [handler = 'crun', count = '100'] = process.argv.slice(2)
const betweenMs = 30

const real = await openRealRuntime(handler)
const container = await real.makeContainer(['/bin/seq', '0', '1000000000'])
const { logPath, bundlePath, id } = container
const paths: string[] = []
try {
  await real.runtime.createContainer(container)
  const beginMs = performance.now()
  await real.runtime.startContainer(container)
  for (let rotation = 0; rotation < Number(count); rotation += 1) {
    await delay(betweenMs)
    const old = `${logPath}.${rotation}`
    renameSync(logPath, old)
    paths.push(old)
    await sendControlLine(`${bundlePath}/ctl`, { kind: 'reopenLog' }, id)
    while (!existsSync(logPath)) await delay(1)
  }
  await real.runtime.stopContainer(container, 0)
  const loggedMs = performance.now() - beginMs
  const sizeBytes = [...paths, logPath].reduce((sum, path) => sum + statSync(path).size, 0)

  const readBeginMs = performance.now()
  const found = await examine([...paths, logPath])
  const readMs = performance.now() - readBeginMs
  console.log({
    rotations: paths.length,
    loggedMegabytesPerSecond: Math.round(sizeBytes / loggedMs / 1000),
    ...found,
    readMegabytesPerSecond: Math.round(sizeBytes / readMs / 1000),
  })
  await real.runtime.deleteContainer(container)
} finally {
  await real.close()
}

async function examine(logs: readonly string[]): Promise<Record<string, number>> {
  let [lines, lost, repeated, torn] = [0, 0, 0, 0]
  async function* all() {
    for (const path of logs) yield* readContainerLog(path, { onDefect: () => (torn += 1) })
  }
  let expected = 0
  for await (const record of joinLogLines(all())) {
    // The numbers tell what was lost. And the container was killed in the middle of a line.
    if (record.type === 'lost' || record.partial) continue
    const { content } = record
    const number = Number(content.toString())
    lines += 1
    if (number > expected) lost += number - expected
    else if (number < expected) repeated += 1
    expected = number + 1
  }
  return { lines, lost, repeated, torn }
}
