/** The machine with the active states and the arrow that was taken last. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { StatechartFile } from '../protocol.ts'

const zoomSteps = [0.35, 0.5, 0.62, 0.75, 0.9, 1, 1.25, 1.5]
const initialZoom = 0.75

interface StatechartProps {
  readonly chart: StatechartFile | undefined
  readonly active: readonly string[]
  /** Keys of the transitions taken last. */
  readonly taken: readonly string[]
}

export function Statechart({ chart, active, taken }: StatechartProps) {
  const box = useRef<HTMLDivElement>(null)
  const [zoom, setZoom] = useState(initialZoom)
  const [follows, setFollows] = useState(true)
  useEffect(() => {
    if (box.current !== null && chart !== undefined) box.current.innerHTML = chart.svg
  }, [chart])
  const size = sizeOf(chart)
  useEffect(() => {
    const svg = box.current?.querySelector('svg')
    if (svg == null || size === undefined) return
    svg.setAttribute('width', String(size.width * zoom))
    svg.setAttribute('height', String(size.height * zoom))
  }, [chart, zoom, size])
  const activeKey = active.join(' ')
  const takenKey = taken.join(' ')
  useEffect(() => {
    if (box.current === null || chart === undefined) return
    light(box.current, 'state', active)
    light(
      box.current,
      'edge',
      taken.flatMap((key) => chart.edges[key] ?? []),
    )
    if (follows) showActive(box.current, active)
  }, [chart, activeKey, takenKey, follows, zoom])
  const step = (by: number): void => setZoom((now) => stepped(now, by))
  const fit = (): void => {
    const room = box.current
    if (room === null || size === undefined) return
    setFollows(false)
    setZoom(Math.min(room.clientWidth / size.width, room.clientHeight / size.height))
  }
  useChartKeys({ step, fit, toggle: () => setFollows((now) => !now) })
  return (
    <section class="chart" aria-label="statechart">
      <header>
        <h2>Statechart</h2>
        <button type="button" aria-pressed={follows} onClick={() => setFollows(!follows)}>
          follow
        </button>
        <span class="zoom" role="group" aria-label="zoom">
          <button type="button" aria-label="smaller" onClick={() => step(-1)}>
            −
          </button>
          <button type="button" onClick={fit}>
            whole
          </button>
          <button type="button" aria-label="larger" onClick={() => step(1)}>
            +
          </button>
        </span>
      </header>
      <div class="chart-room" ref={box} tabindex={0} role="region" aria-label="drawing of the machine" />
    </section>
  )
}

function sizeOf(chart: StatechartFile | undefined): { width: number; height: number } | undefined {
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(chart?.svg ?? '') ?? []
  return width === undefined ? undefined : { width: Number(width), height: Number(height) }
}

function stepped(now: number, by: number): number {
  const next =
    by > 0 ? zoomSteps.find((zoom) => zoom > now + 0.01) : zoomSteps.findLast((zoom) => zoom < now - 0.01)
  return next ?? now
}

/** Gives the class `on` to exactly the elements of these ids. */
function light(box: HTMLElement, kind: 'state' | 'edge', ids: readonly string[]): void {
  for (const element of box.querySelectorAll(`.${kind}.on`)) element.classList.remove('on')
  for (const id of ids) box.querySelector(`[data-${kind}="${CSS.escape(id)}"]`)?.classList.add('on')
}

/** Brings the innermost active state of a life into the middle. */
function showActive(box: HTMLElement, active: readonly string[]): void {
  const id = active.findLast((state) => !state.includes('.monitor'))
  const element = id === undefined ? null : box.querySelector(`[data-state="${CSS.escape(id)}"]`)
  if (element === null) return
  const state = element.getBoundingClientRect()
  const room = box.getBoundingClientRect()
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches
  box.scrollBy({
    left: state.left + state.width / 2 - room.left - room.width / 2,
    top: state.top + Math.min(state.height, 60) / 2 - room.top - room.height / 2,
    behavior: calm ? 'instant' : 'smooth',
  })
}

interface ChartKeys {
  readonly step: (by: number) => void
  readonly fit: () => void
  readonly toggle: () => void
}

function useChartKeys({ step, fit, toggle }: ChartKeys): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === '+') step(1)
      else if (event.key === '-') step(-1)
      else if (event.key === '0') fit()
      else if (event.key === 'f') toggle()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  })
}
