import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeTempRoot } from '../support/temp-root.ts'

it('works in a realm of its own, as in Jest, whose errors, dates and bytes are not those of Node', () => {
  const directory = makeTempRoot()
  const program = join(import.meta.dirname, 'other-realm.mjs')
  const embedder = join(import.meta.dirname, 'other-realm-embedder.mjs')
  const argv = ['--experimental-vm-modules', '--no-warnings', program, embedder, directory]
  const { stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual({
    args: ['/bin/true'],
    noConfig: `ERR_CONFIG configuration file ${directory}/nothing.toml cannot be read: ENOENT: no such file or directory, open '${directory}/nothing.toml'`,
    noLog: `ERR_IO there is no log ${directory}/nothing.log`,
    second: `ERR_STATE_DIR_LOCKED state directory ${directory}/state is in use by another runtime of this process; a supervisor needs one of its own`,
    created: '1970-01-01T00:00:00.000Z',
    bytes: 'hi',
    thrown: 'TypeError: a bug of the command',
    aborted: 'ERR_ABORTED the wait for container c was aborted; the operation itself goes on',
    stranger: 'ERR_NOT_FOUND container d is not registered with this runtime; createContainer registers it',
    phase: 'running',
  })
})
