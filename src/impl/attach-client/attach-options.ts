/** What an attaching client asks for, checked against what its container has. */
import type { Container } from '../../container.ts'
import { OciError } from '../../errors/index.ts'
import type { AttachOptions } from '../attach-port.ts'
import { detachKeysDefault, parseDetachKeys } from './detach-keys.ts'
import { checkSizes } from './terminal-sizes.ts'

const streamKinds = [
  ['stdin', 'Readable', 'pipe'],
  ['stdout', 'Writable', 'write'],
  ['stderr', 'Writable', 'write'],
] as const

/** The bytes that detach. Throws ERR_INVALID_ARGUMENT with the field that is wrong, whatever it is. */
export function checkedKeys(
  container: Pick<Container, 'id' | 'terminal'>,
  { tty, detachKeys, bufferMaxBytes, resize$, ...streams }: AttachOptions,
): Buffer {
  const details = { containerId: container.id }
  for (const [field, kind, method] of streamKinds) {
    const stream = streams[field]
    if (stream === undefined || (typeof stream === 'object' && method in stream)) continue
    throw new OciError('ERR_INVALID_ARGUMENT', `${field} must be a ${kind} stream of yours`, {
      ...details,
      field,
    })
  }
  checkSizes(resize$)
  if (tty !== undefined && tty !== container.terminal) {
    const has = container.terminal ? 'has a terminal' : 'has no terminal'
    throw new OciError('ERR_INVALID_ARGUMENT', `tty must be ${container.terminal}: the container ${has}`, {
      ...details,
      field: 'tty',
    })
  }
  if (bufferMaxBytes !== undefined && !(bufferMaxBytes > 0)) {
    const message = `bufferMaxBytes must be above zero, got ${bufferMaxBytes}`
    throw new OciError('ERR_INVALID_ARGUMENT', message, { ...details, field: 'bufferMaxBytes' })
  }
  return parseDetachKeys(detachKeys ?? (container.terminal ? detachKeysDefault : ''))
}
