/** Stands in for node:fs in instrumented code, as far as that is used there: the same functions, each meeting the faults. */
import {
  constants,
  openSync as reallyOpenSync,
  readdirSync as list,
  readFileSync as read,
  watch as see,
} from 'node:fs'
import { meet, meeting } from './faults.ts'

export * from 'node:fs'

export const readFileSync = meeting('open-read', read)
export const readdirSync = meeting('readdir', list)
export const watch = meeting('watch', see)

export const openSync: typeof reallyOpenSync = (path, flags, mode) => {
  meet(flags === 'r' || flags === constants.O_RDONLY ? 'open-read' : 'open-write', path)
  return reallyOpenSync(path, flags, mode)
}
