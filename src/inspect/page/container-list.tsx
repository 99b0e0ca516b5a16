/** The containers as a list of which only what is visible exists: ten thousand cost as much as forty. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { rowFlags } from '../protocol.ts'
import type { Fleet, Row } from './fleet.ts'
import { age } from './format.ts'
import { PhaseMark } from './phase-mark.tsx'
import { containerHref } from './routes.ts'

const rowHeight = 30
/** Rows beyond the visible ones, so that fast scrolling shows no gaps. */
const overscan = 6

export interface ListKeys {
  /** Moves the focus by so many rows; by 0 to the first one that is visible. */
  move(by: number): void
}

interface ListProps {
  readonly fleet: Fleet
  readonly rows: readonly Row[]
  readonly keys: { list: ListKeys | undefined }
  readonly isEmpty: boolean
}

export function ContainerList({ fleet, rows, keys, isEmpty }: ListProps) {
  const box = useRef<HTMLDivElement>(null)
  const [view, setView] = useState({ top: 0, height: 600 })
  const [wanted, setWanted] = useState<number | undefined>()
  useEffect(() => {
    const { current } = box
    if (current === null) return undefined
    const look = (): void => setView({ top: current.scrollTop, height: current.clientHeight })
    const observer = new ResizeObserver(look)
    observer.observe(current)
    current.addEventListener('scroll', look, { passive: true })
    return () => {
      observer.disconnect()
      current.removeEventListener('scroll', look)
    }
  }, [])
  const first = Math.max(0, Math.floor(view.top / rowHeight) - overscan)
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / rowHeight) + overscan)

  keys.list = {
    move: (by) => {
      const focused = document.activeElement?.getAttribute('data-position')
      const visible = Math.ceil(view.top / rowHeight)
      const isRelative = focused != null && by !== 0
      const next = isRelative || !Number.isFinite(by) ? Number(focused ?? 0) + by : visible
      const position = Math.max(0, Math.min(rows.length - 1, next))
      scrollTo(box.current, position)
      setWanted(position)
    },
  }
  useLayoutEffect(() => {
    if (wanted === undefined) return
    const link = box.current?.querySelector<HTMLElement>(`[data-position="${wanted}"]`)
    if (link == null) return
    link.focus({ preventScroll: true })
    setWanted(undefined)
  })

  return (
    <div class="list">
      <div class="list-head" aria-hidden="true">
        <span>id</span>
        <span>name</span>
        <span>handler</span>
        <span>state</span>
        <span>for</span>
        <span>waits for, or ended with</span>
      </div>
      <div class="list-body" ref={box}>
        {rows.length === 0 && (
          <p class="nothing">{isEmpty ? 'No containers.' : 'No container matches the filter.'}</p>
        )}
        <ul style={{ height: `${rows.length * rowHeight}px` }}>
          {rows.slice(first, last).map((row, offset) => (
            <ListRow
              key={row.facts.index}
              row={row}
              fleet={fleet}
              position={first + offset}
              total={rows.length}
            />
          ))}
        </ul>
      </div>
    </div>
  )
}

interface RowProps {
  readonly row: Row
  readonly fleet: Fleet
  readonly position: number
  readonly total: number
}

function ListRow({ row, fleet, position, total }: RowProps) {
  const { facts, phase, flags } = row
  return (
    <li
      style={{ transform: `translateY(${position * rowHeight}px)` }}
      aria-posinset={position + 1}
      aria-setsize={total}
    >
      <a href={containerHref(facts.id)} data-position={position} class={fleet.isStuck(row) ? 'stuck' : ''}>
        <span class="id">{facts.id}</span>
        <span class="name">{facts.name === facts.id ? '' : facts.name}</span>
        <span class="handler">{facts.handler}</span>
        <PhaseMark phase={phase.name} />
        <span class="age">{age(fleet.ageMs(row))}</span>
        <span class="note">
          {(flags & rowFlags.oomKilled) !== 0 && <em>out of memory</em>}
          {(flags & rowFlags.monitorLost) !== 0 && <em>monitor lost</em>}
          {(flags & rowFlags.notDurable) !== 0 && <em>not on disk</em>}
          {row.note || phase.waitingFor}
        </span>
      </a>
    </li>
  )
}

function scrollTo(box: HTMLDivElement | null, position: number): void {
  if (box === null) return
  const top = position * rowHeight
  if (top < box.scrollTop) box.scrollTop = top
  else if (top + rowHeight > box.scrollTop + box.clientHeight)
    box.scrollTop = top + rowHeight - box.clientHeight
}
