/** The keys. */
import { useEffect, useRef } from 'preact/hooks'

const keys: readonly (readonly [string, string])[] = [
  ['/', 'filter'],
  ['↑ ↓ or j k', 'move in the list'],
  ['Enter', 'open the container'],
  ['Esc', 'back, or leave the filter'],
  ['f', 'statechart: follow the active state'],
  ['+ − 0', 'statechart: larger, smaller, whole'],
  ['?', 'these keys'],
]

export function Help({ close }: { readonly close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog ref={dialog} class="help" aria-label="keys" onClose={close} onClick={close}>
      <h2>Keys</h2>
      <dl>
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </dialog>
  )
}
