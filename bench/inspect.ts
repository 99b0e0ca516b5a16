/**
 * What the inspector costs a supervisor, and how smooth its page is, after a build and with Chromium:
 * node bench/inspect.ts [--containers 2000] [--commands 1000] [--seconds 10] [--rounds 3]
 * Simulated containers are paused and resumed at that rate, in turn
 * - unwatched;
 * - watched by a program that only reads: what the inspector itself costs;
 * - watched in Chromium on the same host: what a browser takes of caches and cores comes on top;
 * - unwatched beside a Chromium that watches another, equally busy supervisor: that share of it, alone.
 */
import { once } from 'node:events'
import { fork } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { WebSocket } from 'ws'
import { Container, defineConfig, memoryStateDirectory, Runtime } from 'oci-supervisor'
import { openInspector, type Inspector } from 'oci-supervisor/inspect'
import { SimulatedRuntime } from 'oci-supervisor/testing'

const { values } = parseArgs({
  options: {
    containers: { type: 'string', default: '2000' },
    commands: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    /** What a process of its own does. */
    role: { type: 'string', default: 'supervisor' },
    url: { type: 'string', default: '' },
  },
})
const [count, perSecond, seconds, rounds] = [
  values.containers,
  values.commands,
  values.seconds,
  values.rounds,
].map(Number)

const roles: Record<string, () => Promise<void>> = {
  supervisor: measure,
  reader: () => read(values.url),
  page: () => browse(values.url),
  bystander: async () => {
    const { inspector, stop } = await openSupervisor()
    await browse(inspector.url)
    await stop()
  },
}
await roles[values.role]?.()

async function measure(): Promise<void> {
  const { inspector, load, stop } = await openSupervisor()
  await delay(2000)
  const conditions = [
    { name: 'unwatched', role: undefined },
    { name: 'watched by a reader', role: 'reader' },
    { name: 'watched in Chromium', role: 'page' },
    { name: "unwatched beside another one's Chromium", role: 'bystander' },
  ].map((condition) => ({ ...condition, costs: new Array<Cost>() }))
  for (let round = 0; round < (rounds ?? 0); round += 1) {
    for (const { role, costs } of conditions) {
      if (role === undefined) costs.push(await costOf(load, seconds ?? 0))
      else costs.push(await costBeside(role, inspector.url, load))
    }
  }
  await stop()
  const [unwatched] = conditions
  if (unwatched === undefined) return
  for (const { name, costs } of conditions) {
    report(name, costs, perCommand(costs) / perCommand(unwatched.costs))
  }
}

async function costBeside(role: string, url: string, load: Load): Promise<Cost> {
  const other = fork(import.meta.filename, [...process.argv.slice(2), '--role', role, '--url', url])
  const left = once(other, 'exit')
  await once(other, 'message')
  const cost = await costOf(load, seconds ?? 0)
  await left
  return cost
}

async function openSupervisor(): Promise<{ inspector: Inspector; load: Load; stop: () => Promise<void> }> {
  const sim = new SimulatedRuntime()
  const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
  const runtime = await Runtime.open(config, {
    implementations: { sim: () => sim },
    stateDirectory: memoryStateDirectory(),
  })
  const containers = Array.from(
    { length: count ?? 0 },
    (_, n) => new Container({ id: `c-${n}`, bundlePath: `/bundles/${n}` }),
  )
  for (const container of containers) {
    await runtime.createContainer(container)
    await runtime.startContainer(container)
  }
  const inspector = await openInspector(runtime)
  const load = startLoad(runtime, containers)
  const stop = async (): Promise<void> => {
    load.stop()
    await inspector.close()
    await runtime.close()
  }
  return { inspector, load, stop }
}

interface Load {
  done(): number
  stop(): void
}

interface Cost {
  readonly cpuShare: number
  readonly commandsPerSecond: number
}

/** On a busy host the rate is not reached, and the share of a CPU says nothing; what a command costs does. */
function perCommand(costs: readonly Cost[]): number {
  return median(costs.map(({ cpuShare, commandsPerSecond }) => cpuShare / commandsPerSecond))
}

function report(name: string, costs: readonly Cost[], ratio: number): void {
  const all = costs.map(
    ({ cpuShare, commandsPerSecond }) => `${percent(cpuShare)} at ${commandsPerSecond.toFixed(0)}/s`,
  )
  console.log(
    `${ratio.toFixed(2)}x ${name}: ${(perCommand(costs) * 1e6).toFixed(0)} µs of CPU for a command (${all.join(', ')})`,
  )
}

async function costOf(load: Load, forSeconds: number): Promise<Cost> {
  const done = load.done()
  const before = process.cpuUsage()
  const fromMs = performance.now()
  await delay(forSeconds * 1000)
  const { user, system } = process.cpuUsage(before)
  const elapsedMs = performance.now() - fromMs
  return {
    cpuShare: (user + system) / 1000 / elapsedMs,
    commandsPerSecond: ((load.done() - done) * 1000) / elapsedMs,
  }
}

/** So many pauses and resumes a second, spread evenly. */
function startLoad(runtime: Runtime, containers: readonly Container[]): Load {
  const everyMs = 10
  let next = 0
  let done = 0
  const fromMs = performance.now()
  const timer = setInterval(() => {
    const due = ((performance.now() - fromMs) * (perSecond ?? 0)) / 1000
    while (next < due) {
      const container = containers[(next += 1) % containers.length]
      if (container === undefined) continue
      const verb =
        container.phase === 'paused' ? runtime.unpauseContainer(container) : runtime.pauseContainer(container)
      verb.then(
        () => (done += 1),
        () => undefined,
      )
    }
  }, everyMs)
  return { stop: () => clearInterval(timer), done: () => done }
}

/** Takes everything as fast as it comes. */
async function read(url: string): Promise<void> {
  const { origin, searchParams, host } = new URL(url)
  const socket = new WebSocket(`ws://${host}/watch?token=${searchParams.get('token')}`, { origin })
  await once(socket, 'message')
  process.send?.('watching')
  await delay((seconds ?? 0) * 1000 + 500)
  socket.close()
}

async function browse(url: string): Promise<void> {
  const chrome = await chromium.launch({
    executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
  const page = await chrome.newPage({ viewport: { width: 1280, height: 800 } })
  await page.goto(url)
  await page.locator('.list-body li').first().waitFor()
  await delay(1500)
  process.send?.('watching')
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable')
  const scriptSeconds = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics')
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0
  }
  const before = await scriptSeconds()
  const frames = await page.evaluate<number[]>(
    `new Promise((resolve) => {
      const times = []
      const until = performance.now() + ${Number(seconds) * 1000}
      const frame = (now) => { times.push(now); now < until ? requestAnimationFrame(frame) : resolve(times) }
      requestAnimationFrame(frame)
    })`,
  )
  const busy = ((await scriptSeconds()) - before) / (seconds ?? 1)
  const gaps = frames.slice(1).map((time, index) => time - (frames[index] ?? 0))
  const rate = (1000 * gaps.length) / gaps.reduce((sum, gap) => sum + gap, 0)
  const worst = gaps.toSorted((a, b) => b - a)[Math.floor(gaps.length / 100)] ?? 0
  console.log(
    `page: ${rate.toFixed(1)} frames/s, 99 % within ${worst.toFixed(0)} ms, main thread ${percent(busy)} busy`,
  )
  await chrome.close()
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
