/** Counts that are filters. */
import type { Fleet } from './fleet.ts'
import { count, tone } from './format.ts'
import { overviewHref, type Filter } from './routes.ts'
import { specials, type Selection } from './selection.ts'

interface SidebarProps {
  readonly fleet: Fleet
  readonly filter: Filter
  readonly selection: Selection
}

export function Sidebar({ fleet, filter, selection }: SidebarProps) {
  const attention = specials.filter(({ name }) => selection.bySpecial.has(name) || filter.special === name)
  const handlers = [...selection.byHandler].toSorted(([a], [b]) => a.localeCompare(b))
  return (
    <nav class="sidebar" aria-label="filters">
      {attention.length > 0 && (
        <section>
          <h2>Attention</h2>
          <ul>
            {attention.map(({ name, label, tone: colour }) => (
              <Choice
                key={name}
                label={label}
                tone={colour}
                number={selection.bySpecial.get(name) ?? 0}
                isChosen={filter.special === name}
                href={overviewHref({ ...filter, special: filter.special === name ? '' : name })}
              />
            ))}
          </ul>
        </section>
      )}
      <section>
        <h2>State</h2>
        <ul>
          {fleet.phases
            .filter(({ name }) => selection.byPhase.has(name) || isUsual.has(name) || filter.phase === name)
            .map(({ name }) => (
              <Choice
                key={name}
                label={name}
                tone={tone(name)}
                number={selection.byPhase.get(name) ?? 0}
                isChosen={filter.phase === name}
                href={overviewHref({ ...filter, phase: filter.phase === name ? '' : name })}
              />
            ))}
        </ul>
      </section>
      {(handlers.length > 1 || filter.handler !== '') && (
        <section>
          <h2>Handler</h2>
          <ul>
            {handlers.map(([name, number]) => (
              <Choice
                key={name}
                label={name}
                tone={undefined}
                number={number}
                isChosen={filter.handler === name}
                href={overviewHref({ ...filter, handler: filter.handler === name ? '' : name })}
              />
            ))}
          </ul>
        </section>
      )}
    </nav>
  )
}

/** Shown with a zero, so that the list does not jump while containers come and go. */
const isUsual: ReadonlySet<string> = new Set([
  'creating',
  'created',
  'starting',
  'running',
  'paused',
  'stopping.grace',
  'stopping.killing',
  'exiting',
  'stopped',
])

interface ChoiceProps {
  readonly label: string
  readonly tone: string | undefined
  readonly number: number
  readonly isChosen: boolean
  readonly href: string
}

function Choice({ label, tone: colour, number, isChosen, href }: ChoiceProps) {
  return (
    <li>
      <a
        class={`choice ${number === 0 ? 'none' : ''}`}
        href={href}
        aria-current={isChosen ? 'true' : undefined}
      >
        <span class={`phase ${colour ?? 'plain'}`}>
          <i aria-hidden="true" />
          {label}
        </span>
        <b>{count(number)}</b>
      </a>
    </li>
  )
}
