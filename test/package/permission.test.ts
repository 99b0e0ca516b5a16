import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { makeTempRoot } from '../support/temp-root.ts'

const program = `
import { defineConfig, isOciError, Runtime } from 'oci-supervisor'
const [directory] = process.argv.slice(1)
const config = defineConfig({
  runtimes: { crun: { runtimePath: '/usr/bin/crun' } },
  stateDir: directory + '/state',
  runDir: directory + '/run',
})
const error = await Runtime.open(config).catch((thrown) => thrown)
console.log(JSON.stringify({ typed: isOciError(error), code: error.code, operation: error.operation, message: error.message }))
`

it.each([
  ['processes', ['--allow-fs-read=*', '--allow-fs-write=*']],
  ['files', ['--allow-fs-read=*', '--allow-child-process']],
])('says so when the permission model of Node allows it no %s', (_, allowed) => {
  const argv = ['--permission', ...allowed, '--no-warnings', '--input-type=module', '--eval', program]
  const { stdout, stderr } = spawnSync(process.execPath, [...argv, makeTempRoot()], { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toMatchObject({ typed: true, code: 'ERR_IO', operation: 'open' })
  expect(stdout).toMatch(/permission model|ERR_ACCESS_DENIED/)
})
