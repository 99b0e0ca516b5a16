/**
 * What a watcher may see of a container's description. Names are shown; values of environment, arguments, mounts, labels
 * and annotations only where the embedder lists them. A value that is withheld is also struck out of error messages, in
 * which runtimes repeat what they were given.
 */
import type { OciSpec } from '../bundle/oci-spec.ts'
import type { Container } from '../container.ts'
import type { Redacted } from './protocol.ts'

/** What may be shown, by name. */
export interface Reveal {
  readonly labels?: readonly string[]
  readonly annotations?: readonly string[]
  readonly env?: readonly string[]
  /** Mounts by their destination in the container. */
  readonly mounts?: readonly string[]
  /** All arguments of the command. Default false. */
  readonly args?: boolean
}

/** Shorter values are not struck out: `-c` and `1` are everywhere. */
const secretMinLength = 4
const struckOut = '•••'

export interface Description {
  readonly labels: readonly Redacted[]
  readonly annotations: readonly Redacted[]
  readonly env: readonly Redacted[] | undefined
  readonly mounts: readonly Redacted[] | undefined
  readonly argCount: number | undefined
  readonly args: readonly string[] | undefined
  /** A message without what is withheld. */
  readonly scrub: (message: string) => string
}

/** `spec` is undefined where it cannot be read: then nobody knows what to strike out, and no message is shown. */
export function describe(container: Container, spec: OciSpec | undefined, reveal: Reveal): Description {
  const labels = listed(Object.entries(container.labels), reveal.labels)
  const all = { ...container.annotations, ...container.crioAnnotations, ...spec?.annotations }
  const annotations = listed(Object.entries(all), reveal.annotations)
  const args = spec?.process?.args ?? []
  const env = listed((spec?.process?.env ?? []).map(assignment), reveal.env)
  const mounts = listed((spec?.mounts ?? []).map(mountWords), reveal.mounts)
  const isKnown = spec !== undefined
  const secrets = isKnown
    ? [
        ...hiddenIn(Object.entries(container.labels), reveal.labels),
        ...hiddenIn(Object.entries(all), reveal.annotations),
        ...hiddenIn((spec.process?.env ?? []).map(assignment), reveal.env),
        ...hiddenIn((spec.mounts ?? []).flatMap(mountSecrets), reveal.mounts),
        ...(reveal.args === true ? [] : args.flatMap(wordsOf)),
      ].filter((value) => value.length >= secretMinLength)
    : []
  // The longest first: one value may be part of another.
  const longestFirst = [...new Set(secrets)].toSorted((a, b) => b.length - a.length)
  return {
    labels,
    annotations,
    env: isKnown ? env : undefined,
    mounts: isKnown ? mounts : undefined,
    argCount: isKnown ? args.length : undefined,
    args: isKnown && reveal.args === true ? args : undefined,
    scrub: (message) => {
      if (!isKnown) return 'not shown, as the bundle cannot be read'
      return longestFirst.reduce((text, secret) => text.replaceAll(secret, struckOut), message)
    },
  }
}

/** The labels that are listed, for the overview. */
export function listedLabels(container: Container, { labels = [] }: Reveal): Record<string, string> {
  const entries = labels.flatMap((name) => {
    const value = Object.hasOwn(container.labels, name) ? container.labels[name] : undefined
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(entries)
}

type Mount = NonNullable<OciSpec['mounts']>[number]
type Entry = readonly [name: string, value: string]

function listed(entries: readonly Entry[], names: readonly string[] = []): Redacted[] {
  return entries.map(([name, value]) => [name, names.includes(name) ? value : null])
}

function hiddenIn(entries: readonly Entry[], names: readonly string[] = []): string[] {
  return entries.flatMap(([name, value]) => (names.includes(name) ? [] : [value]))
}

function assignment(text: string): Entry {
  const end = text.indexOf('=')
  return end === -1 ? [text, ''] : [text.slice(0, end), text.slice(end + 1)]
}

/** Of its options those with a value: a password, perhaps. */
function mountSecrets({ destination, source = '', options = [] }: Mount): Entry[] {
  const values = [source, ...options.filter((option) => option.includes('='))]
  return values.flatMap(wordsOf).map((value): Entry => [destination, value])
}

/** A text and its words: of `--password=x`, or of a script, a message may repeat a part. */
function wordsOf(text: string): string[] {
  return [text, ...text.split(/[\s='"`,;]+/u)]
}

function mountWords({ destination, source = '', type = '', options = [] }: Mount): Entry {
  return [destination, [source, type, options.join(',')].filter((part) => part !== '').join(' ')]
}
