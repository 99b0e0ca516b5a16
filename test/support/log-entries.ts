import type { LogEntry, LogRecord } from '../../src/container-log/index.ts'

/** Until it ends. */
export async function allOf<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of values) all.push(value)
  return all
}

/** The entries of a log that nothing may be lost of. */
export async function* entriesOf(records: AsyncIterable<LogRecord>): AsyncGenerator<LogEntry, void> {
  for await (const record of records) {
    if (record.type === 'lost') throw new Error(`${String(record.lostBytes)} bytes of the log are lost`)
    yield record
  }
}
