/** The end of the container's log, as it grows. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Detail } from './detail.ts'
import { clockTime, count } from './format.ts'

export function LogTail({ detail }: { readonly detail: Detail }) {
  const { lines, logEnd, skipped } = detail
  const box = useRef<HTMLDivElement>(null)
  const [isAtEnd, setAtEnd] = useState(true)
  useEffect(() => {
    const { current } = box
    if (current === null) return undefined
    const look = (): void => setAtEnd(current.scrollTop + current.clientHeight > current.scrollHeight - 24)
    current.addEventListener('scroll', look, { passive: true })
    return () => current.removeEventListener('scroll', look)
  }, [])
  useLayoutEffect(() => {
    if (isAtEnd && box.current !== null) box.current.scrollTop = box.current.scrollHeight
  }, [lines, isAtEnd])
  return (
    <section class="log" aria-label="log">
      <header>
        <h2>Log</h2>
        {skipped > 0 && <span class="quiet">{count(skipped)} lines passed over</span>}
        {!isAtEnd && (
          <button type="button" onClick={() => setAtEnd(true)}>
            to the end
          </button>
        )}
      </header>
      <div class="scroll" ref={box} tabindex={0} role="log" aria-label="output">
        {lines.length === 0 && <p class="nothing">{logEnd ?? 'Nothing written yet.'}</p>}
        {lines.map((line, index) => (
          <p key={index} class={line.stream}>
            {line.stream !== 'lost' && <time>{clockTime(line.at)}</time>}
            {line.stream === 'stderr' && <b>err</b>}
            <span>{line.text}</span>
          </p>
        ))}
      </div>
    </section>
  )
}
