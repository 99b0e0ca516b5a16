/**
 * What a supervisor was asked and what it had answered when it died, told line by line on its standard output: the
 * promises that its successor is held to.
 */
import { z } from 'zod'

const verbs = ['create', 'start', 'pause', 'unpause', 'stop', 'exec', 'wait', 'delete', 'open'] as const
export type ChaosVerb = (typeof verbs)[number]

const entrySchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('asked'), verb: z.enum(verbs), id: z.string() }),
  z.object({ type: z.literal('done'), verb: z.enum(verbs), id: z.string() }),
  z.object({
    type: z.literal('failed'),
    verb: z.enum(verbs),
    id: z.string(),
    code: z.string(),
    message: z.string(),
  }),
  /** How many operations were made to fail. */
  z.object({ type: z.literal('faults'), failed: z.number() }),
  /** The scenario is over, and the process waits for its end. */
  z.object({ type: z.literal('idle') }),
  /** Something went wrong that no scenario provides for. */
  z.object({ type: z.literal('defect'), message: z.string() }),
])
export type JournalEntry = z.infer<typeof entrySchema>

export function parseJournal(text: string): JournalEntry[] {
  // The last line of one that was killed may be cut off.
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  const lines = whole.split('\n').filter(Boolean)
  return lines.map((line) => entrySchema.parse(JSON.parse(line)))
}

export function idsIn(journal: readonly JournalEntry[]): string[] {
  return [...new Set(journal.flatMap((entry) => ('id' in entry && entry.id !== '' ? [entry.id] : [])))]
}

/** What has to hold of a container when the next supervisor has recovered. */
export interface Promised {
  /** Whether the successor must know it, may, or must not. */
  readonly presence: 'must' | 'may' | 'mustNot'
  /** Statuses it may have, before anything is done to it. Undefined: it failed to be created. */
  readonly statuses: ReadonlySet<string | undefined>
  /** It may have been killed by the supervisor: 137 is a true code. */
  readonly mayBeKilled: boolean
  /** It may never have run, its start having failed. */
  readonly startMayFail: boolean
}

type Status = string | undefined

/** Follows the verbs of one container in order. */
export function promisedOf(
  journal: readonly JournalEntry[],
  id: string,
  { monitorsKilled = false }: { readonly monitorsKilled?: boolean } = {},
): Promised {
  let presence: Promised['presence'] = 'mustNot'
  let statuses: Status[] = []
  let mayBeKilled = false
  let startMayFail = false
  const also = (...more: Status[]): void => {
    statuses = [...statuses, ...more]
  }
  for (const entry of journal) {
    if (!('id' in entry) || entry.id !== id) continue
    const { type, verb } = entry
    if (type === 'failed') {
      // The world may have gone either way; what is believed must still fit it, which is checked in any case.
      if (verb === 'create') presence = 'may'
      also('created', 'running', 'paused', 'stopped', undefined)
      startMayFail = true
      continue
    }
    const done = type === 'done'
    switch (verb) {
      case 'create':
        presence = done ? 'must' : 'may'
        if (done) statuses = ['created']
        else also('created', 'stopped', undefined)
        mayBeKilled ||= !done
        break
      case 'start':
        if (done) statuses = ['running', 'stopped']
        else also('running', 'stopped')
        // A start that nobody was told of may be undone.
        startMayFail ||= !done
        if (done) startMayFail = false
        break
      case 'pause':
        if (done) statuses = ['paused']
        else also('paused')
        break
      case 'unpause':
        if (done) statuses = ['running', 'stopped']
        else also('running', 'stopped')
        break
      case 'stop':
        mayBeKilled = true
        if (done) statuses = ['stopped']
        else also('stopped', 'running')
        break
      case 'delete':
        mayBeKilled = true
        presence = done ? 'mustNot' : 'may'
        also('stopped')
        break
      case 'wait':
        if (done) statuses = ['stopped']
        break
      case 'exec':
      case 'open':
        break
    }
  }
  if (monitorsKilled) {
    // What is only created goes with its monitor; what runs, runs on, and its end is unknown.
    if (presence === 'must') presence = 'may'
    also('stopped', undefined)
    mayBeKilled = true
    startMayFail = true
  }
  return { presence, statuses: new Set(statuses), mayBeKilled, startMayFail }
}
