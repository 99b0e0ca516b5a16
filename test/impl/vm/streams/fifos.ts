import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

let last = 0

/** As many as are asked for, one process for all of them. */
export function fifosIn(directory: string): { takeFifos(count: number): Promise<string[]> } {
  return {
    takeFifos: (count) => {
      const paths = Array.from({ length: count }, () => {
        last += 1
        return join(directory, `fifo-${last}`)
      })
      if (count > 0) execFileSync('mkfifo', ['-m', '600', ...paths])
      return Promise.resolve(paths)
    },
  }
}
