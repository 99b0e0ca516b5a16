/** Where the page is, in the address after `#`: every view and every filter can be linked to. */
import { useEffect, useState } from 'preact/hooks'

export type Special = 'stuck' | 'failed' | 'oom' | 'monitorLost' | 'notDurable'

export interface Filter {
  readonly text: string
  readonly phase: string
  readonly handler: string
  readonly special: string
}

export type Route =
  { readonly view: 'overview'; readonly filter: Filter } | { readonly view: 'container'; readonly id: string }

export const noFilter: Filter = { text: '', phase: '', handler: '', special: '' }

function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  const [head, id] = path.split('/')
  if (head === 'c' && id !== undefined && id !== '') return { view: 'container', id: decoded(id) }
  const given = new URLSearchParams(query)
  const filter = {
    text: given.get('q') ?? '',
    phase: given.get('phase') ?? '',
    handler: given.get('handler') ?? '',
    special: given.get('only') ?? '',
  }
  return { view: 'overview', filter }
}

/** As it is when somebody has typed a `%` that encodes nothing. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export function containerHref(id: string): string {
  return `#/c/${encodeURIComponent(id)}`
}

export function overviewHref({ text, phase, handler, special }: Filter): string {
  const query = new URLSearchParams()
  if (text !== '') query.set('q', text)
  if (phase !== '') query.set('phase', phase)
  if (handler !== '') query.set('handler', handler)
  if (special !== '') query.set('only', special)
  return query.size === 0 ? '#/' : `#/?${query.toString()}`
}

/** Changes a filter without a step in the browser's history for every letter. */
export function replaceRoute(href: string): void {
  history.replaceState(null, '', href)
  dispatchEvent(new HashChangeEvent('hashchange'))
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash))
  useEffect(() => {
    const follow = (): void => setRoute(routeOf(location.hash))
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  return route
}
