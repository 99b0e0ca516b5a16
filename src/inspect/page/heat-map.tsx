/** Every container as a cell in the colour of its phase: thousands at a glance. For the eye only; the list has it all. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Fleet, Row } from './fleet.ts'
import { age, count, tone } from './format.ts'
import { containerHref } from './routes.ts'

const cellMax = 14
const cellMin = 4
const heightMax = 190

interface Grid {
  readonly columns: number
  readonly cell: number
  readonly gap: number
  readonly height: number
}

export function HeatMap({ fleet, rows }: { readonly fleet: Fleet; readonly rows: readonly Row[] }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const [hover, setHover] = useState<{ row: Row; x: number; y: number } | undefined>()
  const width = useWidth(canvas)
  const grid = gridOf(rows.length, width)
  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, grid, width, rows, fleet)
  })
  if (rows.length === 0) return <div class="heat-map none" />
  const rowAt = ({ offsetX, offsetY }: MouseEvent): Row | undefined => {
    const step = grid.cell + grid.gap
    const column = Math.floor(offsetX / step)
    return column < grid.columns ? rows[Math.floor(offsetY / step) * grid.columns + column] : undefined
  }
  return (
    <div class="heat-map">
      <canvas
        ref={canvas}
        role="img"
        aria-label={`map of ${count(rows.length)} containers, coloured by state; the list below has the same`}
        onMouseMove={(event) => {
          const row = rowAt(event)
          setHover(row && { row, x: event.offsetX, y: event.offsetY })
        }}
        onMouseLeave={() => setHover(undefined)}
        onClick={(event) => {
          const row = rowAt(event)
          if (row !== undefined) location.hash = containerHref(row.facts.id)
        }}
      />
      {hover && (
        <div
          class="tip"
          style={{ left: `${Math.min(hover.x + 12, width - 220)}px`, top: `${hover.y + 14}px` }}
        >
          <b>{hover.row.facts.id}</b>
          {hover.row.phase.name}, {age(fleet.ageMs(hover.row))}
        </div>
      )}
    </div>
  )
}

/** The largest cells with which all fit into the height. */
function gridOf(number: number, width: number): Grid {
  for (let cell = cellMax; ; cell -= 1) {
    const gap = cell > 7 ? 2 : 1
    const columns = Math.max(1, Math.floor((width + gap) / (cell + gap)))
    const height = Math.ceil(number / columns) * (cell + gap) - gap
    if (height <= heightMax || cell <= cellMin) return { columns, cell, gap, height: Math.max(0, height) }
  }
}

function draw(
  canvas: HTMLCanvasElement,
  grid: Grid,
  width: number,
  rows: readonly Row[],
  fleet: Fleet,
): void {
  const scale = devicePixelRatio
  const { cell, gap, columns, height } = grid
  const [pixelWidth, pixelHeight] = [Math.round(width * scale), Math.round(height * scale)]
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth
    canvas.height = pixelHeight
    canvas.style.height = `${height}px`
  }
  const context = canvas.getContext('2d')
  if (context === null) return
  context.setTransform(scale, 0, 0, scale, 0, 0)
  context.clearRect(0, 0, width, height)
  const colours = coloursOf(canvas)
  // By colour, since changing it costs more than a cell.
  const byTone = new Map<string, number[]>()
  for (const [index, row] of rows.entries()) {
    const key = fleet.isStuck(row) ? 'killing' : tone(row.phase.name)
    const list = byTone.get(key)
    if (list === undefined) byTone.set(key, [index])
    else list.push(index)
  }
  for (const [key, indexes] of byTone) {
    context.fillStyle = colours(key)
    for (const index of indexes) {
      const x = (index % columns) * (cell + gap)
      const y = Math.floor(index / columns) * (cell + gap)
      context.fillRect(x, y, cell, cell)
    }
  }
}

function coloursOf(canvas: HTMLCanvasElement): (key: string) => string {
  const style = getComputedStyle(canvas)
  return (key) => style.getPropertyValue(`--${key}`)
}

function useWidth(element: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0)
  const isThere = element.current !== null
  useEffect(() => {
    const { current } = element
    if (current === null) {
      // Drawn for the first time only now.
      setWidth((before) => before + 0.001)
      return undefined
    }
    const observer = new ResizeObserver(() => setWidth(current.clientWidth))
    observer.observe(current)
    return () => observer.disconnect()
  }, [element, isThere])
  return width
}
