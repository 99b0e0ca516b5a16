import { describe, expect, it } from 'vitest'
import { helperEnvironment, nodeProgram } from '../../src/impl/own-program.ts'

const node = { execPath: '/usr/bin/node', isSea: false, versions: { node: '24.0.0' }, env: {} }
const application = { ...node, execPath: '/opt/agent', isSea: true }
const electron = { ...node, execPath: '/opt/app', versions: { node: '24.0.0', electron: '40.0.0' } }

describe('the Node that runs the helper programs', () => {
  it('is the one that runs this process', () => {
    expect(nodeProgram(undefined, node)).toBe('/usr/bin/node')
    expect(nodeProgram(undefined)).toBe(process.execPath)
  })

  it.each([
    ['a single executable application', application],
    ['an Electron application', electron],
  ])('has to be named in %s, which would start itself again without end', (kind, facts) => {
    expect(() => nodeProgram(undefined, facts)).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        field: 'nodePath',
        operation: 'open',
        message: `nodePath must name a Node: this process is ${kind}, so ${facts.execPath} is not one`,
      }),
    )
    expect(nodeProgram('/usr/bin/node', facts)).toBe('/usr/bin/node')
    expect(nodeProgram('node', facts)).toBe('node')
  })

  it('is refused to a process that was started in its place, whatever that is', () => {
    const started = { ...node, execPath: '/opt/other', env: helperEnvironment() }
    for (const nodePath of [undefined, '/usr/bin/node', '/opt/other']) {
      expect(() => nodeProgram(nodePath, started)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field: 'nodePath' }),
      )
    }
  })
})
