/** What the container was described as. Values that the supervisor withholds show as such. */
import type { ContainerFacts, Redacted } from '../protocol.ts'
import { dateTime } from './format.ts'

export function Facts({ facts }: { readonly facts: ContainerFacts }) {
  const plain: readonly (readonly [string, string])[] = [
    ['image', facts.image || '–'],
    ['sandbox', facts.sandbox || '–'],
    ['described', dateTime(facts.createdAt)],
    ['bundle', facts.bundlePath],
    ['log', facts.logPath],
    ['stop signal', facts.stopSignal],
    ['terminal', facts.terminal ? 'yes' : 'no'],
    ['privileged', facts.privileged ? 'yes' : 'no'],
    ['arguments', argumentText(facts)],
  ]
  return (
    <section class="facts" aria-label="description">
      <header>
        <h2>Description</h2>
      </header>
      <dl>
        {plain.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Values title="Labels" values={facts.labels} />
      <Values title="Annotations" values={facts.annotations} />
      <Values title="Environment" values={facts.env} />
      <Values title="Mounts" values={facts.mounts} />
    </section>
  )
}

function argumentText({ args, argCount }: ContainerFacts): string {
  if (args !== undefined) return args.join(' ')
  return argCount === undefined ? 'the bundle cannot be read' : `${argCount}, withheld`
}

function Values({
  title,
  values,
}: {
  readonly title: string
  readonly values: readonly Redacted[] | undefined
}) {
  if (values === undefined || values.length === 0) return null
  return (
    <details>
      <summary>
        {title} <span class="quiet">{values.length}</span>
      </summary>
      <dl>
        {values.map(([name, value], index) => (
          <div key={index}>
            <dt>{name}</dt>
            <dd>{value ?? <span class="withheld">withheld</span>}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}
