/** Finding a process by its arguments, for when the one who started it can no longer say which it was. */
import { readdir } from 'node:fs/promises'
import { readIdentity } from '../process-identity.ts'
import type { ProcessIdentity } from '../runtime-impl.ts'
import { readIfThere } from '../host/cgroups.ts'

/** The living process whose arguments have `value` right after `option`. Costs a read per process of the host. */
export async function searchProcess(option: string, value: string): Promise<ProcessIdentity | undefined> {
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) continue
    const argv = ((await readIfThere(`/proc/${pid}/cmdline`)) ?? '').split('\0')
    if (argv.some((argument, index) => argument === option && argv[index + 1] === value))
      return readIdentity(pid)
  }
  return undefined
}
