/** Ids of commands in a container. Shims take any text and make a file name of it, so we make them. */
import { randomBytes } from 'node:crypto'

const prefix = 'exec-'

/** Every id that {@link makeExecId} makes. */
export const execIdExpression = /^exec-[0-9a-f]{32}$/

/** The pid file that runc's shim makes in the bundle for a command with an id of ours. */
export const execIdPattern = /^exec-[0-9a-f]{32}\.pid$/

export function makeExecId(): string {
  return `${prefix}${randomBytes(16).toString('hex')}`
}
