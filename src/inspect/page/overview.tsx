/** All containers: counts, what waits too long and why, the map, the list. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { Bar, HostLine, LinkNotice } from './bar.tsx'
import { ContainerList, type ListKeys } from './container-list.tsx'
import type { Fleet } from './fleet.ts'
import { age, count } from './format.ts'
import { HeatMap } from './heat-map.tsx'
import { PhaseMark } from './phase-mark.tsx'
import { containerHref, noFilter, overviewHref, replaceRoute, type Filter } from './routes.ts'
import { select, type Selection } from './selection.ts'
import { Sidebar } from './sidebar.tsx'
import { useStore } from './store.ts'

export function Overview({ fleet, filter }: { readonly fleet: Fleet; readonly filter: Filter }) {
  useStore(fleet)
  const selection = select(fleet, filter)
  const search = useRef<HTMLInputElement>(null)
  const keys = useMemo<{ list: ListKeys | undefined }>(() => ({ list: undefined }), [])
  useOverviewKeys(search, keys)
  return (
    <div class="overview">
      <Bar link={fleet.link}>
        <h1>Containers</h1>
        <span class="total">{count(fleet.rows.size)}</span>
        <HostLine host={fleet.host} />
      </Bar>
      <LinkNotice link={fleet.link} />
      <div class="columns">
        <Sidebar fleet={fleet} filter={filter} selection={selection} />
        <main>
          <Search filter={filter} input={search} shown={selection.rows.length} all={fleet.rows.size} />
          <Stuck fleet={fleet} selection={selection} filter={filter} />
          <HeatMap fleet={fleet} rows={selection.rows} />
          <ContainerList fleet={fleet} rows={selection.rows} keys={keys} isEmpty={fleet.rows.size === 0} />
        </main>
      </div>
    </div>
  )
}

interface SearchProps {
  readonly filter: Filter
  readonly input: { current: HTMLInputElement | null }
  readonly shown: number
  readonly all: number
}

function Search({ filter, input, shown, all }: SearchProps) {
  const isFiltered = overviewHref(filter) !== overviewHref(noFilter)
  return (
    <div class="search" role="search">
      <input
        ref={input}
        type="search"
        aria-label="filter by id, name, sandbox, image or label"
        placeholder="Filter by id, name, sandbox, image or label=value"
        value={filter.text}
        onInput={(event) => replaceRoute(overviewHref({ ...filter, text: event.currentTarget.value }))}
      />
      <kbd aria-hidden="true">/</kbd>
      {isFiltered && (
        <span class="shown" role="status">
          {count(shown)} of {count(all)}
          <a href={overviewHref(noFilter)}>show all</a>
        </span>
      )}
    </div>
  )
}

const stuckShownMax = 4

interface StuckProps {
  readonly fleet: Fleet
  readonly selection: Selection
  readonly filter: Filter
}

/** The longest waits, with what each waits for. */
function Stuck({ fleet, selection: { stuck }, filter }: StuckProps) {
  if (stuck.length === 0 || filter.special === 'stuck') return null
  const more = stuck.length - stuckShownMax
  return (
    <section class="stuck" aria-label="waiting too long">
      <h2>Waiting too long</h2>
      <ul>
        {stuck.slice(0, stuckShownMax).map((row) => (
          <li key={row.facts.index}>
            <a href={containerHref(row.facts.id)}>{row.facts.id}</a>
            <PhaseMark phase={row.phase.name} />
            <span class="why">{row.note || row.phase.waitingFor}</span>
            <span class="age">{age(fleet.ageMs(row))}</span>
          </li>
        ))}
      </ul>
      {more > 0 && (
        <a class="more" href={overviewHref({ ...noFilter, special: 'stuck' })}>
          {count(more)} more
        </a>
      )}
    </section>
  )
}

function useOverviewKeys(
  search: { current: HTMLInputElement | null },
  keys: { list: ListKeys | undefined },
): void {
  const [, draw] = useState(0)
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey) return
      const isSearching = event.target === search.current
      if (event.key === '/' && !isSearching) search.current?.focus()
      else if (event.key === 'Escape' && isSearching) search.current?.blur()
      else if (event.key === 'Enter' && isSearching) keys.list?.move(0)
      else if (event.key === 'ArrowDown' || (event.key === 'j' && !isSearching)) keys.list?.move(1)
      else if (event.key === 'ArrowUp' || (event.key === 'k' && !isSearching)) keys.list?.move(-1)
      else if (event.key === 'Home' && !isSearching) keys.list?.move(-Infinity)
      else if (event.key === 'End' && !isSearching) keys.list?.move(Infinity)
      else return
      event.preventDefault()
      draw((times) => times + 1)
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [search, keys])
}
