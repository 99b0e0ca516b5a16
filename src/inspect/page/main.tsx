/** The page: which view is shown, and the keys that work everywhere. */
import { render } from 'preact'
import { useEffect, useMemo, useState } from 'preact/hooks'
import { ContainerView } from './container-view.tsx'
import { Detail } from './detail.ts'
import { Fleet } from './fleet.ts'
import { Help } from './help.tsx'
import { Overview } from './overview.tsx'
import { noFilter, overviewHref, useRoute, type Filter, type Route } from './routes.ts'

function App() {
  const route = useRoute()
  const [isHelpOpen, setHelpOpen] = useState(false)
  const lastFilter = useLastFilter(route)
  const back = overviewHref(lastFilter)
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      if (event.key === '?') setHelpOpen((isOpen) => !isOpen)
      else if (event.key === 'Escape' && isHelpOpen) setHelpOpen(false)
      else if (event.key === 'Escape' && route.view === 'container') location.hash = back
      else return
      event.preventDefault()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [isHelpOpen, route.view, back])
  return (
    <>
      {route.view === 'overview' ? (
        <OverviewPage filter={route.filter} />
      ) : (
        <ContainerPage key={route.id} id={route.id} back={back} />
      )}
      {isHelpOpen && <Help close={() => setHelpOpen(false)} />}
    </>
  )
}

function OverviewPage({ filter }: { readonly filter: Filter }) {
  const fleet = useMemo(() => new Fleet(), [])
  useEffect(() => fleet.connect(), [fleet])
  useEffect(() => {
    document.title = 'Containers'
  }, [])
  return <Overview fleet={fleet} filter={filter} />
}

function ContainerPage({ id, back }: { readonly id: string; readonly back: string }) {
  const detail = useMemo(() => new Detail(id), [id])
  useEffect(() => detail.connect(), [detail])
  useEffect(() => {
    document.title = id
  }, [id])
  return <ContainerView detail={detail} back={back} />
}

/** Coming back from a container leads to the list as it was. */
function useLastFilter(route: Route): Filter {
  const [last, setLast] = useState(noFilter)
  useEffect(() => {
    if (route.view === 'overview') setLast(route.filter)
  }, [route])
  return last
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLSelectElement
}

const app = document.querySelector('#app')
if (app !== null) render(<App />, app)
