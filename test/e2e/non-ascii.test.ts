/** conmon's arguments are file names and names: whatever a file system and an embedder make of them. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isOciError } from '../../src/index.ts'
import { patience } from '../support/patience.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { hostForTest, runtimePrograms, type RuntimeName } from './facade-host.ts'
import { mkdirSync } from 'node:fs'

const handlers: readonly RuntimeName[] = ['crun', 'runc']

describe.each(handlers)('names that are not ASCII, on %s,', (handler) => {
  it('stand in the directories, the log and the name of a container', async () => {
    const directory = join(makeTempRoot(), 'bücher-книги')
    mkdirSync(directory)
    const runDir = join(directory, 'läuft')
    const host = await hostForTest(handler, { config: { runDir, stateDir: join(directory, 'zuständ') } })
    const options = {
      name: 'bücher',
      dir: join(directory, makeContainerId('d')),
      logPath: join(directory, 'протокол.log'),
    }
    const container = await host.run(['/bin/sleep', '1000'], { options })
    const { stdout } = await host.runtime.execSyncContainer(container, ['/bin/echo', 'grüße'], patience(10))
    expect(stdout.toString()).toBe('grüße\n')
    await host.runtime.deleteContainer(container)
  })

  it('are refused in the words of conmon where its locale is configured not to have them', async () => {
    const runtimes = { [handler]: { runtimePath: runtimePrograms[handler], monitorEnv: ['LANG=C'] } }
    const host = await hostForTest(handler, { config: { runtimes } })
    const error: unknown = await host
      .create(['/bin/true'], { options: { name: 'bücher' } })
      .catch((reason: unknown) => reason)
    expect(isOciError(error) && error).toMatchObject({
      code: 'ERR_MONITOR_FAILED',
      message: expect.stringMatching(/byte sequence/i) as unknown,
    })
  })
})
