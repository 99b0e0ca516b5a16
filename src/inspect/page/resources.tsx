/** What the container uses, and how that went in the last two minutes. */
import type { StatsFigures } from '../protocol.ts'
import type { Detail } from './detail.ts'
import { bytes } from './format.ts'

export function Resources({ detail }: { readonly detail: Detail }) {
  const { samples, noStats } = detail
  const last = samples.at(-1)
  return (
    <section class="resources" aria-label="resources">
      <header>
        <h2>Resources</h2>
        {noStats !== undefined && <span class="quiet">{why(noStats)}</span>}
      </header>
      {last !== undefined && (
        <div class="meters">
          <Meter
            name="cpu"
            value={`${last.cpuPercent.toFixed(1)} %`}
            samples={samples}
            of={({ cpuPercent }) => cpuPercent}
            floor={10}
          />
          <Meter
            name="memory"
            value={bytes(last.memoryBytes)}
            note={`of ${bytes(last.memoryLimitBytes)}`}
            samples={samples}
            of={({ memoryBytes }) => memoryBytes}
            floor={1024 * 1024}
          />
          <Meter
            name="processes"
            value={String(last.pids ?? '–')}
            samples={samples}
            of={({ pids }) => pids}
            floor={4}
          />
          <dl class="figures">
            <Figure name="network in" value={bytes(last.netInputBytes)} />
            <Figure name="network out" value={bytes(last.netOutputBytes)} />
            <Figure name="disk read" value={bytes(last.blockInputBytes)} />
            <Figure name="disk written" value={bytes(last.blockOutputBytes)} />
            <Figure name="oom kills" value={String(last.oomKills ?? '–')} />
            <Figure name="throttled" value={String(last.throttledPeriods ?? '–')} />
          </dl>
        </div>
      )}
    </section>
  )
}

function why(code: string): string {
  return code === 'ERR_UNSUPPORTED' ? 'this runtime gives no samples' : `no samples (${code})`
}

interface MeterProps {
  readonly name: string
  readonly value: string
  readonly note?: string
  readonly samples: readonly StatsFigures[]
  readonly of: (sample: StatsFigures) => number | undefined
  /** The scale never ends below it: noise is not to look like load. */
  readonly floor: number
}

const [lineWidth, lineHeight] = [120, 28]

function Meter({ name, value, note, samples, of, floor }: MeterProps) {
  const values = samples.map((sample) => of(sample) ?? 0)
  const top = Math.max(floor, ...values) * 1.1
  const step = lineWidth / Math.max(1, 59)
  const points = values.map((at, index) => {
    const x = lineWidth - (values.length - 1 - index) * step
    return `${x.toFixed(1)},${(lineHeight - (at / top) * lineHeight).toFixed(1)}`
  })
  return (
    <div class="meter">
      <div>
        <span class="meter-name">{name}</span>
        <b>{value}</b>
        {note !== undefined && <span class="quiet"> {note}</span>}
      </div>
      <svg viewBox={`0 0 ${lineWidth} ${lineHeight}`} preserveAspectRatio="none" aria-hidden="true">
        <polyline points={points.join(' ')} />
      </svg>
    </div>
  )
}

function Figure({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}
