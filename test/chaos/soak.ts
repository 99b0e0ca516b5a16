/**
 * Long and many: npm run soak -- [--runtime crun|runc] [--cycles 10000] [--alive 10000] [--ooms 200] [--lanes 4]
 * Real containers through create, start, exit and delete; simulated ones alive at once; containers that run out of memory.
 * Prints what is in use on the way. Exit code 1 when something grows that must not, or an exit is not the true one.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import {
  Container,
  defaultSpec,
  defineConfig,
  memoryStateDirectory,
  Runtime,
  writeBundle,
  type ExitStatus,
} from '../../src/index.ts'
import { SimulatedRuntime } from '../../src/testing.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { configInputOf, makeGround, type Ground } from './ground.ts'
import { leftovers } from './world.ts'

const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'crun' },
    cycles: { type: 'string', default: '10000' },
    alive: { type: 'string', default: '10000' },
    ooms: { type: 'string', default: '200' },
    lanes: { type: 'string', default: '4' },
  },
})
const lanes = Number(values.lanes)
const handler = values.runtime === 'runc' ? 'runc' : 'crun'
const KiB = 1024
const memoryLimitBytes = 20 * KiB * KiB
/** What the heap may be larger by, at the end, than after the first tenth. */
const rssGrowthMaxBytes = 24 * KiB * KiB

const print = (line: string): boolean => process.stdout.write(`${line}\n`)
let violations = 0
function expectThat(what: string, fact: boolean): void {
  if (!fact) violations += 1
  print(`  ${fact ? 'ok      ' : 'VIOLATED'} ${what}`)
}

interface Usage {
  readonly rssBytes: number
  readonly fds: number
  readonly timers: number
  readonly watches: number
}

function usage(): Usage {
  globalThis.gc?.()
  const infos = readdirSync('/proc/self/fdinfo').flatMap((fd) => {
    try {
      return [readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')]
    } catch {
      return [] // The descriptor that listed the directory.
    }
  })
  return {
    rssBytes: process.memoryUsage.rss(),
    fds: readdirSync('/proc/self/fd').length,
    timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
    watches: infos.reduce((sum, info) => sum + (info.match(/^inotify wd:/gm)?.length ?? 0), 0),
  }
}

function show(label: string, { rssBytes, fds, timers, watches }: Usage): void {
  const rss = (rssBytes / KiB / KiB).toFixed(1)
  print(`  ${label.padEnd(28)} rss ${rss} MiB, fds ${fds}, timers ${timers}, watches ${watches}`)
}

async function inLanes(count: number, run: (index: number) => Promise<void>): Promise<void> {
  let begun = 0
  const lane = async (): Promise<void> => {
    while (begun < count) {
      begun += 1
      await run(begun)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

const directory = mkdtempSync('/tmp/os-')
const rootfs = makeRootfs(directory)

/** A real runtime; `run` is given it, and then nothing may be left. */
async function onRealRuntime(name: string, run: (runtime: Runtime, ground: Ground) => Promise<void>) {
  const ground = makeGround({
    root: join(directory, name),
    rootfs,
    handler,
    idPrefix: `s${process.pid}${name}`,
  })
  const runtime = await Runtime.open(defineConfig(configInputOf(ground)))
  await run(runtime, ground)
  await runtime.close()
  await delay(1000)
  const left = leftovers(ground).filter((line) => !/\/config\.json$|\/container\.log$/.test(line))
  expectThat(`nothing is left behind ${left.slice(0, 5).join('; ')}`, left.length === 0)
  rmSync(ground.root, { recursive: true, force: true })
}

interface Life {
  readonly args: readonly string[]
  readonly memoryLimitBytes?: number
  /** Kills it once it runs. */
  readonly killed?: boolean
}

async function live(runtime: Runtime, ground: Ground, name: string, life: Life): Promise<ExitStatus> {
  const id = `${ground.idPrefix}-${name}`
  const bundlePath = join(ground.root, 'b', name)
  const memory = life.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: life.memoryLimitBytes }
  await writeBundle(
    bundlePath,
    defaultSpec({ rootfs, args: [...life.args], cgroupsPath: `/${id}`, ...memory }),
  )
  const container = new Container({ id, bundlePath })
  await runtime.createContainer(container)
  await runtime.startContainer(container)
  if (life.killed === true) await runtime.stopContainer(container, 0)
  const exit = await runtime.waitContainer(container)
  await runtime.deleteContainer(container)
  rmSync(bundlePath, { recursive: true })
  return exit
}

async function soakCycles(count: number): Promise<void> {
  print(`${count} containers of ${handler} from create to delete, ${lanes} at a time`)
  await onRealRuntime('c', async (runtime, ground) => {
    const beganMs = performance.now()
    const step = Math.max(1, Math.floor(count / 10))
    let wrong = 0
    let first: Usage | undefined
    for (let done = 0; done < count; done += step) {
      await inLanes(step, async (index) => {
        const code = (done + index) % 100
        const args = ['/bin/sh', '-c', `exit ${code}`]
        const exit = await live(runtime, ground, `${done + index}`, { args })
        if (exit.kind !== 'code' || exit.code !== code) wrong += 1
      })
      const now = usage()
      first ??= now
      show(`after ${done + step}`, now)
    }
    const last = usage()
    print(`  ${((performance.now() - beganMs) / count).toFixed(1)} ms per container`)
    expectThat(`every exit code is the true one (${wrong} are not)`, wrong === 0)
    if (first === undefined) return
    expectThat('no descriptor more', last.fds <= first.fds)
    expectThat('no timer more', last.timers <= first.timers)
    expectThat('no watch more', last.watches <= first.watches)
    expectThat('no memory to speak of', last.rssBytes - first.rssBytes < rssGrowthMaxBytes)
  })
}

async function soakAlive(count: number): Promise<void> {
  print(`${count} simulated containers alive`)
  const sim = new SimulatedRuntime()
  const config = defineConfig({ defaultRuntime: 'sim', runtimes: { sim: { runtimeType: 'sim' } } })
  const stateDirectory = memoryStateDirectory()
  const runtime = await Runtime.open(config, { implementations: { sim: () => sim }, stateDirectory })
  const before = usage()
  show('before', before)
  const round = async (): Promise<void> => {
    await inLanes(count, async (index) => {
      const container = new Container({ id: `s${index}`, bundlePath: `/bundles/s${index}` })
      await runtime.createContainer(container)
      await runtime.startContainer(container)
    })
    const alive = usage()
    show('all alive', alive)
    const each = (alive.rssBytes - before.rssBytes) / count / KiB
    print(`  ${each.toFixed(1)} KiB for each`)
    expectThat('no timer for each', alive.timers < 20)
    expectThat('no descriptor for each', alive.fds <= before.fds + 5)
    await Promise.all(
      runtime.containers.list().map(async (container) => {
        await runtime.stopContainer(container, 0)
        await runtime.deleteContainer(container)
      }),
    )
  }
  await round()
  const first = usage()
  show('all deleted', first)
  await round()
  const last = usage()
  show('all deleted again', last)
  expectThat('the second time costs no memory more', last.rssBytes - first.rssBytes < rssGrowthMaxBytes)
  expectThat('none is left', sim.ids.length === 0 && runtime.containers.size === 0)
  await runtime.close()
}

async function soakOom(count: number): Promise<void> {
  print(`${count} containers out of memory, as many killed, as many that lose a child to that and end well`)
  const tally = { reported: 0, killed: 0, survived: 0 }
  await onRealRuntime('o', async (runtime, ground) => {
    await inLanes(count, async (index) => {
      const oom = await live(runtime, ground, `o${index}`, {
        args: ['/bin/tail', '/dev/zero'],
        memoryLimitBytes,
      })
      if (oom.oomKilled) tally.reported += 1
      const args = ['/bin/sleep', '1000']
      const kill = await live(runtime, ground, `k${index}`, { args, memoryLimitBytes, killed: true })
      if (!kill.oomKilled) tally.killed += 1
      const script = '/bin/tail /dev/zero; exit 0'
      const child = await live(runtime, ground, `c${index}`, {
        args: ['/bin/sh', '-c', script],
        memoryLimitBytes,
      })
      if (!child.oomKilled && child.kind === 'code' && child.code === 0) tally.survived += 1
    })
  })
  expectThat(`${tally.reported} of ${count} OOM kills are reported`, tally.reported === count)
  expectThat(`${tally.killed} of ${count} killed by us are not called OOM`, tally.killed === count)
  expectThat(`${tally.survived} of ${count} that lost a child are not called OOM`, tally.survived === count)
}

try {
  if (Number(values.alive) > 0) await soakAlive(Number(values.alive))
  if (Number(values.ooms) > 0) await soakOom(Number(values.ooms))
  if (Number(values.cycles) > 0) await soakCycles(Number(values.cycles))
} finally {
  rmSync(directory, { recursive: true, force: true })
}
print(violations === 0 ? 'all as promised' : `${violations} promises broken`)
process.exitCode = violations === 0 ? 0 : 1
