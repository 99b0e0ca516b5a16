/** The line at the top: where we are, how the supervisor is, whether we hear from it. */
import type { ComponentChildren } from 'preact'
import type { HostFigures } from '../protocol.ts'
import type { LinkState } from './connection.ts'
import { bytes, count } from './format.ts'

export function Bar({ link, children }: { readonly link: LinkState; readonly children?: ComponentChildren }) {
  return (
    <header class="bar">
      {children}
      <Link state={link} />
    </header>
  )
}

const linkWords: Readonly<Record<LinkState, string>> = {
  connecting: 'connecting',
  open: 'live',
  lost: 'reconnecting',
  refused: 'refused',
}

function Link({ state }: { readonly state: LinkState }) {
  return (
    <span class={`link ${state}`} role="status">
      <i aria-hidden="true" />
      {linkWords[state]}
    </span>
  )
}

/** What is on the page may be old. */
export function LinkNotice({ link }: { readonly link: LinkState }) {
  if (link === 'lost')
    return <p class="notice">The supervisor does not answer. What you see is what was last known.</p>
  if (link !== 'refused') return null
  return (
    <p class="notice bad">
      The supervisor does not know this page’s token any more: it was restarted. Open the address that it
      printed.
    </p>
  )
}

export function HostLine({ host }: { readonly host: HostFigures | undefined }) {
  if (host === undefined) return null
  const figures: [string, string, boolean][] = [
    ['events', `${count(host.eventsPerSecond)}/s`, false],
    ['cpu', `${host.cpuPercent} %`, false],
    ['memory', bytes(host.rssBytes), false],
    ['loop lag', `${host.loopLagMs} ms`, host.loopLagMs > 100],
  ]
  if (host.dropped > 0) figures.push(['dropped events', count(host.dropped), true])
  return (
    <dl class="host" aria-label="supervisor">
      {figures.map(([name, value, isBad]) => (
        <div key={name} class={isBad ? 'bad' : ''}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
