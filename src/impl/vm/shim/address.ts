/** Where a container's shim listens, as far as that can be known without asking it. */
import { createHash } from 'node:crypto'
import { readTextFile } from '../../../files.ts'
import { shimNamespace, socketOfAnswer } from './shim-command.ts'

const addressMaxBytes = 4096

/** As the shim notes it in the bundle; undefined when it has not. Throws ERR_STATE_CORRUPT, ERR_MONITOR_FAILED, ERR_IO. */
export async function readAddress(file: string): Promise<string | undefined> {
  const text = await readTextFile(file, {
    maxBytes: addressMaxBytes,
    code: 'ERR_STATE_CORRUPT',
    isPrivate: true,
  })
  return text === undefined ? undefined : socketOfAnswer(text)
}

/** Where shims made with containerd's own library listen for a container that is in no group. */
export function usualSocketPath(containerId: string): string {
  const name = createHash('sha256').update(`${shimNamespace}/${containerId}`).digest('hex')
  return `/run/containerd/s/${name}`
}
