/** What happened, the latest first. */
import type { HistoryRecord, LiveState } from '../protocol.ts'
import { clockTime, duration, tone } from './format.ts'

interface HistoryProps {
  readonly records: readonly HistoryRecord[]
  readonly state: LiveState
}

/** Lines of the table; the page keeps more than anybody reads. */
const shownMax = 300

export function History({ records, state }: HistoryProps) {
  const shown = withMilestones(records, state).slice(-shownMax).toReversed()
  return (
    <section class="history" aria-label="history">
      <header>
        <h2>History</h2>
        <span class="quiet">latest first</span>
      </header>
      <div class="scroll" tabindex={0} role="region" aria-label="events and transitions">
        <table>
          <thead>
            <tr>
              <th scope="col">time</th>
              <th scope="col">cause</th>
              <th scope="col">transition</th>
              <th scope="col" class="number">
                after
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((record, index) => (
              <Line key={records.length - index} record={record} />
            ))}
          </tbody>
        </table>
        {shown.length === 0 && (
          <p class="nothing">Nothing has happened since the supervisor began to remember.</p>
        )}
      </div>
    </section>
  )
}

/** What the state itself remembers stands in for events that are not kept any more. */
function withMilestones(records: readonly HistoryRecord[], state: LiveState): readonly HistoryRecord[] {
  const isMissing = (what: string): boolean => !records.some((record) => record.what === what)
  const milestones = [
    milestone('created', state.created, state.pid === 0 ? undefined : `pid ${state.pid}`),
    milestone('started', state.started, undefined),
    milestone('stop', state.stop?.requestedAt, undefined),
    milestone('exited', state.finished, undefined),
  ].filter((record) => record !== undefined && isMissing(record.what))
  const gaps = records.filter(({ kind }) => kind === 'gap')
  const others = records.filter(({ kind }) => kind !== 'gap')
  return [...milestones.filter((record) => record !== undefined), ...gaps, ...others]
}

function milestone(
  what: string,
  at: string | undefined,
  detail: string | undefined,
): HistoryRecord | undefined {
  if (at === undefined) return undefined
  return { at, kind: 'event', what, detail, from: undefined, to: undefined, afterMs: undefined, edges: [] }
}

function Line({ record }: { readonly record: HistoryRecord }) {
  const { kind, at, what, detail, from, to, afterMs } = record
  if (kind === 'gap') {
    return (
      <tr class="row-gap">
        <td colSpan={4}>older events are not kept{detail === undefined ? '' : ` (${detail})`}</td>
      </tr>
    )
  }
  return (
    <tr class={`row-${kind}`}>
      <td class="time">{clockTime(at)}</td>
      <td>
        {kind === 'event' ? <span class={`happened ${what}`}>{what}</span> : what}
        {detail !== undefined && <span class="detail"> {detail}</span>}
      </td>
      <td>{from !== undefined && to !== undefined && <Step from={from} to={to} />}</td>
      <td class="number">{afterMs !== undefined && from !== to && duration(afterMs)}</td>
    </tr>
  )
}

function Step({ from, to }: { readonly from: string; readonly to: string }) {
  if (from === to) return <span class="quiet">stays {to}</span>
  return (
    <>
      <span class="from">{from}</span>
      <span class="arrow"> → </span>
      <span class={`to ${tone(phaseIn(to))}`}>{to}</span>
    </>
  )
}

/** `stopping.killing.sending` belongs to the phase `stopping.killing`. */
function phaseIn(place: string): string {
  const [head = '', next] = place.split('.')
  return head === 'stopping' && next !== undefined ? `${head}.${next}` : head
}
