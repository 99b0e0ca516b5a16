/**
 * A supervisor that is going to be killed: node victim.ts '<JSON of VictimOrder>'. Tells its journal on standard output.
 * It runs the instrumented copy of the product, and so does its launcher.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type * as Product from '../../src/index.ts'
import type { ContainerLimits } from '../../src/index.ts'
import { bundleOf, configInputOf, launcherOf, letGo, programArgs, truthOf, type Ground } from './ground.ts'
import { armFaults, faultsMet, type FaultPlan } from './instrument/faults.ts'
import { writeLauncher, type InstrumentedCopy } from './instrument/instrumented-copy.ts'
import { closeWindow, openWindow, setPlan, type ChaosPlan } from './instrument/points.ts'
import type { JournalEntry } from './journal.ts'
import { scenarios, type ScenarioName, type Stage } from './scenarios.ts'

export interface VictimOrder {
  readonly ground: Ground
  readonly scenario: ScenarioName
  readonly burst: number
  readonly copy: InstrumentedCopy
  readonly plan: ChaosPlan
  readonly launcherPlan: ChaosPlan
  /** File operations that fail during the scenario. */
  readonly fault?: FaultPlan | undefined
  /** They fail from the beginning, not from the scenario's. */
  readonly early?: boolean | undefined
  readonly clockJumps?: boolean | undefined
  readonly limits?: Partial<ContainerLimits> | undefined
  /** After the scenario all is well again, and every container has to go by an ordinary delete. */
  readonly mends?: boolean | undefined
}

const order = readOrder(process.argv[2] ?? '')
const { ground, copy } = order

function tell(entry: JournalEntry): void {
  process.stdout.write(`${JSON.stringify(entry)}\n`)
}

process.on('uncaughtException', (error) => {
  tell({ type: 'defect', message: `uncaught: ${error.stack ?? String(error)}` })
  process.exit(1)
})

setPlan(order.plan)
const product = await loadProduct(join(copy.directory, 'index.js'))

const launcherPath = launcherOf(ground, order.scenario)
writeLauncher(launcherPath, copy, order.launcherPlan)

function readOrder(text: string): VictimOrder {
  const value: unknown = JSON.parse(text)
  if (isOrder(value)) return value
  throw new Error('the order is malformed')
}

function isOrder(value: unknown): value is VictimOrder {
  return typeof value === 'object' && value !== null && 'ground' in value && 'launcherPlan' in value
}

async function loadProduct(file: string): Promise<typeof Product> {
  const module: unknown = await import(file)
  if (isProduct(module)) return module
  throw new Error(`${file} is no copy of the product`)
}

function isProduct(module: unknown): module is typeof Product {
  return typeof module === 'object' && module !== null && 'Runtime' in module
}

function makeStage(): Stage {
  let opened: Promise<Product.Runtime> | undefined
  return {
    open: () => {
      opened ??= product.Runtime.open(product.defineConfig(configInputOf(ground)), {
        launcherPath,
        limits: order.limits ?? {},
      })
      return opened
    },
    container: async (suffix, program) => {
      const id = `${ground.idPrefix}-${suffix}`
      const bundlePath = bundleOf(ground, id)
      const { rootfs } = ground
      const args = programArgs(program, id)
      await product.writeBundle(bundlePath, product.defaultSpec({ rootfs, args, cgroupsPath: `/${id}` }))
      return new product.Container({ id, bundlePath })
    },
    ask: async (verb, { id }, run) => {
      tell({ type: 'asked', verb, id })
      try {
        await run()
        tell({ type: 'done', verb, id })
      } catch (error) {
        if (product.isOciError(error)) {
          tell({ type: 'failed', verb, id, code: error.code, message: error.message })
        } else {
          tell({ type: 'defect', message: `${verb} rejected with ${String(error)}, which is no OciError` })
        }
      }
    },
    begun: async (container) => {
      while (!truthOf(ground, container.id).started && container.status === 'running') await delay(2)
    },
    letGo: ({ id }) => {
      letGo(ground, id)
    },
    burst: order.burst,
  }
}

if (order.clockJumps === true) letTheClockJump()
if (order.early === true) armFaults(order.fault)
const scenario = scenarios[order.scenario]
const stage = makeStage()
if (scenario.past !== undefined) {
  openWindow()
  tell({ type: 'asked', verb: 'open', id: '' })
  await stage.open()
  tell({ type: 'done', verb: 'open', id: '' })
  closeWindow()
} else {
  const act = await scenario.prepare(stage)
  openWindow()
  if (order.early !== true) armFaults(order.fault)
  await act()
  tell({ type: 'faults', failed: faultsMet().failed })
  armFaults(undefined)
  closeWindow()
  if (order.mends === true) await mend(await stage.open())
}
tell({ type: 'idle' })
// Until somebody kills it.
for (;;) await delay(1000)

function letTheClockJump(): void {
  const dayMs = 86_400_000
  const Real = Date
  let looks = 0
  const jumped = (): number => {
    looks += 1
    return Real.now() + (looks % 2 === 0 ? dayMs : -dayMs)
  }
  globalThis.Date = new Proxy(Real, {
    construct: (target, args): Date => {
      const date: unknown = Reflect.construct(target, args.length === 0 ? [jumped()] : args)
      return date instanceof Real ? date : new Real(Number.NaN)
    },
    get: (target, key): unknown => (key === 'now' ? jumped : Reflect.get(target, key)),
  })
}

async function mend(runtime: Product.Runtime): Promise<void> {
  for (const container of runtime.containers.list()) {
    const { id } = container
    tell({ type: 'asked', verb: 'delete', id })
    try {
      await runtime.deleteContainer(container)
      tell({ type: 'done', verb: 'delete', id })
    } catch (error) {
      const message = `all is well again, and ${id} (${container.phase}) cannot be deleted: ${String(error)}`
      tell({ type: 'defect', message })
    }
  }
}
