import { describe, expect, it } from 'vitest'
import { execProcess } from '../../../src/impl/host/exec-spec.ts'
import type { OciProcess } from '../../../src/bundle/oci-spec.ts'
import { atOnce } from '../../../src/surroundings/slices.ts'

const own: OciProcess = {
  terminal: true,
  consoleSize: { height: 1, width: 2 },
  user: { uid: 0, gid: 0 },
  args: ['init'],
  env: ['PATH=/bin', 'A=1'],
  cwd: '/own',
  capabilities: {
    bounding: ['CAP_KILL'],
    effective: ['CAP_KILL'],
    inheritable: ['CAP_KILL'],
    permitted: ['CAP_KILL'],
  },
  noNewPrivileges: true,
  selinuxLabel: 'label',
}
const processOf = (...given: Parameters<typeof execProcess>): OciProcess => atOnce(execProcess(...given))
const user = { uid: 5, gid: 6 }

describe('the process of an exec', () => {
  it("is the container's with another command, and the container's stays as it was", () => {
    const before = structuredClone(own)
    expect(processOf(own, { argv: ['ls', '-l'], env: { A: '2', B: '' } }, user, undefined)).toEqual({
      terminal: false,
      user,
      args: ['ls', '-l'],
      env: ['PATH=/bin', 'A=2', 'B='],
      cwd: '/own',
      capabilities: { ...own.capabilities, inheritable: [] },
      noNewPrivileges: true,
      selinuxLabel: 'label',
    })
    expect(own).toEqual(before)
  })

  it('inherits only the capabilities that are ambient, which cannot be without', () => {
    const ambient = { ...own, capabilities: { ...own.capabilities, ambient: ['CAP_X'] } }
    expect(processOf(ambient, { argv: ['a'] }, user, undefined).capabilities?.inheritable).toEqual(['CAP_X'])
  })

  it('has a terminal of the given size, and a TERM unless there is one', () => {
    const terminal = { size: { width: 80, height: 24 } }
    const made = processOf(own, { argv: ['a'] }, user, terminal)
    expect(made).toMatchObject({ terminal: true, consoleSize: { height: 24, width: 80 } })
    expect(made.env).toContain('TERM=xterm')
    expect(processOf(own, { argv: ['a'], env: { TERM: 'vt100' } }, user, terminal).env).not.toContain(
      'TERM=xterm',
    )
  })
})
