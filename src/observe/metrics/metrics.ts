/**
 * Prometheus metrics of a runtime, into a registry of prom-client. Counted from the events, looked up when they are
 * scraped. A runtime that nobody measures has none of this: no subscription, no timer, no histogram.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, register as defaultRegister, type Registry } from 'prom-client'
import type { Container, ExitStatus } from '../../container.ts'
import { checkOptionsObject, OciError, publicCall } from '../../errors/index.ts'
import type { ContainerEvent } from '../event-types.ts'
import type { EventLog } from '../events.ts'
import { isEscalation, OperationTimes } from './operations.ts'

export interface MetricsOptions {
  /** Default: prom-client's global one. */
  readonly register?: Registry
  /** Of all names. Default `oci_supervisor_`. */
  readonly prefix?: string
}

/** What there is to be measured: a `Runtime`. */
export interface Measurable {
  /** @internal */
  readonly parts: {
    readonly config: { readonly defaultRuntime: string }
    readonly events: EventLog
    readonly registry: { readonly actors: readonly { readonly container: Container }[] }
  }
  readonly recovered: RecoveryFigures | undefined
}

interface RecoveryFigures {
  readonly adopted: readonly unknown[]
  readonly exited: readonly unknown[]
  readonly removed: readonly unknown[]
  readonly quarantined: readonly unknown[]
  readonly unresolved: readonly unknown[]
  readonly durationMs: number
}

const operationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

/**
 * Counts what happens to the runtime's containers from now on, until the returned function is called, which also takes the
 * metrics out of the registry. What needs a look is looked up at every scrape. Closing the runtime ends the counting.
 * ERR_INVALID_ARGUMENT for what is no registry, and for one that has metrics of these names: of a second runtime, say,
 * which takes another `prefix`. The registry is then as it was.
 *
 * @example
 * const stop = collectMetrics(runtime)
 * console.log(await register.metrics())
 */
export function collectMetrics(runtime: Measurable, options: MetricsOptions = {}): () => void {
  return publicCall({ operation: 'collectMetrics' }, () => {
    checkOptionsObject(runtime, 'collectMetrics', 'runtime')
    checkOptionsObject(runtime.parts, 'collectMetrics', 'runtime')
    checkOptionsObject(options, 'collectMetrics')
    const { register = defaultRegister, prefix = 'oci_supervisor_' } = options
    checkRegister(register)
    if (!isPrefix(prefix)) throw invalid('prefix', 'prefix must be the beginning of a metric name')
    return startCollecting(runtime, register, prefix)
  })
}

/** All metrics are made, or none: those of an earlier call on this registry stay as they are. */
function startCollecting(runtime: Measurable, register: Registry, prefix: string): () => void {
  const undo: (() => void)[] = []
  const stop = (): void => {
    for (const step of undo.splice(0)) step()
  }
  const claimed = (name: string): string => {
    const full = `${prefix}${name}`
    if (register.getSingleMetric(full) !== undefined) {
      throw invalid(
        'prefix',
        `the registry has a metric ${full} already: stop the other collection, or give another prefix or register`,
      )
    }
    undo.push(() => register.removeSingleMetric(full))
    return full
  }
  const registers = [register]
  const make: Make = {
    counter: (name, help, labelNames = [], look) =>
      new Counter({ name: claimed(name), help, labelNames, registers, ...collecting(look) }),
    gauge: (name, help, labelNames, look) => {
      void new Gauge({ name: claimed(name), help, labelNames, registers, ...collecting(look) })
    },
    histogram: (name, help, labelNames, buckets) =>
      new Histogram({ name: claimed(name), help, labelNames, buckets, registers }),
  }
  try {
    const subscription = runtime.parts.events.events$.subscribe(eventCounters(make))
    undo.push(() => subscription.unsubscribe())
    lookUps(make, runtime)
    undo.push(loopLag(make))
    return stop
  } catch (error) {
    stop()
    throw error
  }
}

function isPrefix(prefix: unknown): boolean {
  return typeof prefix === 'string' && /^(?:[a-z_:][\w:]*)?$/iu.test(prefix)
}

function checkRegister(register: Registry): void {
  const methods = ['registerMetric', 'getSingleMetric', 'removeSingleMetric']
  if (methods.every((name) => typeof Reflect.get(Object(register), name) === 'function')) return
  throw invalid('register', 'register must be a registry of prom-client')
}

function invalid(field: string, message: string): OciError {
  return new OciError('ERR_INVALID_ARGUMENT', message, { operation: 'collectMetrics', field })
}

interface Make {
  counter(name: string, help: string, labelNames?: string[], collect?: (counter: Counter) => void): Counter
  gauge(name: string, help: string, labelNames: string[], collect: (gauge: Gauge) => void): void
  histogram(name: string, help: string, labelNames: string[], buckets: number[]): Histogram
}

/** prom-client hands the metric over as `this`. */
function collecting<T>(collect: ((metric: T) => void) | undefined): { collect?: (this: T) => void } {
  if (collect === undefined) return {}
  return {
    collect(this: T) {
      collect(this)
    },
  }
}

function eventCounters(make: Make): (event: ContainerEvent) => void {
  const operations = make.histogram(
    'operation_duration_seconds',
    'Time of operations on containers, by operation and outcome',
    ['operation', 'outcome'],
    operationBuckets,
  )
  const exits = make.counter(
    'exits_total',
    'Exits of containers, by kind; reason only where the code is unknown',
    ['kind', 'reason'],
  )
  const ooms = make.counter('oom_kills_total', 'Containers that the kernel ended for lack of memory')
  const failures = make.counter('failures_total', 'Creates, starts and machines that failed, by error code', [
    'code',
  ])
  const monitorDeaths = make.counter('monitor_deaths_total', 'Monitors that died before their container')
  const escalations = make.counter(
    'stop_escalations_total',
    'Stops whose grace was over, so that KILL followed',
  )
  const stuck = make.counter('stops_stuck_total', 'Processes reported because KILL did not end them')
  const execs = make.counter('execs_total', 'Commands started in containers (startExec, execContainer)')
  const execExits = make.counter('exec_exits_total', 'Ends of such commands, by kind', ['kind'])
  const events = make.counter('events_total', 'Events published, by type', ['type'])
  const times = new OperationTimes()
  return (event) => {
    events.inc({ type: event.type })
    if (event.type === 'phase') {
      const ended = times.ended(event.containerId, event)
      if (ended !== undefined) {
        const { operation, outcome, durationMs } = ended
        operations.observe({ operation, outcome }, durationMs / 1000)
      }
      if (isEscalation(event)) escalations.inc()
    } else if (event.type === 'exited') {
      exits.inc(exitLabels(event.exit))
      if (event.exit.oomKilled) ooms.inc()
    } else if (event.type === 'failed') failures.inc({ code: event.error.code })
    else if (event.type === 'monitorLost') monitorDeaths.inc()
    else if (event.type === 'stopStuck') stuck.inc()
    else if (event.type === 'execStarted') execs.inc()
    else if (event.type === 'execExited') execExits.inc({ kind: event.exit.kind })
  }
}

function exitLabels(exit: ExitStatus): { kind: string; reason: string } {
  if (exit.kind === 'unknown') return { kind: 'unknown', reason: exit.why }
  if (exit.code === 0) return { kind: 'success', reason: '' }
  return { kind: exit.inferredSignal === undefined ? 'failure' : 'signal', reason: '' }
}

function lookUps(make: Make, runtime: Measurable): void {
  const { events, registry, config } = runtime.parts
  make.gauge('containers', 'Containers, by state and runtime handler', ['state', 'handler'], (gauge) => {
    gauge.reset()
    for (const { container } of registry.actors) {
      gauge.inc({ state: container.phase, handler: container.runtimeHandler ?? config.defaultRuntime })
    }
  })
  make.gauge('execs_running', 'Commands that run in containers beside their own', [], (gauge) => {
    const execs = registry.actors.flatMap(({ container }) => container.execs)
    gauge.set(execs.filter(({ phase }) => phase === 'running').length)
  })
  make.counter(
    'events_dropped_total',
    'Events that subscribers lost because they were too slow',
    [],
    (counter) => {
      counter.reset()
      counter.inc(events.dropped)
    },
  )
  make.gauge('recovery_duration_seconds', 'Time that the last recovery took', [], (gauge) => {
    if (runtime.recovered !== undefined) gauge.set(runtime.recovered.durationMs / 1000)
  })
  make.gauge(
    'recovered_containers',
    'Containers of the last recovery, by what became of them',
    ['outcome'],
    (gauge) => {
      const { recovered } = runtime
      if (recovered === undefined) return
      for (const outcome of ['adopted', 'exited', 'removed', 'quarantined', 'unresolved'] as const) {
        gauge.set({ outcome }, recovered[outcome].length)
      }
    },
  )
}

const lagResolutionMs = 20

/** Since the last scrape. */
function loopLag(make: Make): () => void {
  const delays = monitorEventLoopDelay({ resolution: lagResolutionMs })
  make.gauge('event_loop_lag_seconds', 'Delay of the event loop since the last scrape', ['of'], (gauge) => {
    gauge.set({ of: 'max' }, lagSeconds(delays.max))
    gauge.set({ of: 'p99' }, lagSeconds(delays.percentile(99)))
    gauge.set({ of: 'p50' }, lagSeconds(delays.percentile(50)))
    delays.reset()
  })
  delays.enable()
  return () => {
    delays.disable()
  }
}

/** The histogram counts from one tick of its timer to the next. */
function lagSeconds(nanos: number): number {
  return Math.max(0, nanos / 1e9 - lagResolutionMs / 1000)
}
