import { describe, expect, it } from 'vitest'
import { ExecAdmissions, type AdmittedExec } from '../../../src/impl/host/exec-admissions.ts'

/** A command that notes what is done to it. */
function noting(): AdmittedExec & { readonly done: string[] } {
  const done: string[] = []
  return {
    done,
    end: (limitMs) => Promise.resolve(done.push(`end ${limitMs}`)),
    disconnect: () => Promise.resolve(done.push('disconnect')),
  }
}

const refuse = () => Promise.reject(new Error('EMFILE'))

describe('the commands of an implementation', () => {
  it('are as many as may be in one container, and no container takes the room of another', () => {
    const admissions = new ExecAdmissions()
    const held = Array.from({ length: 128 }, () => admissions.admit('evil'))
    expect(() => admissions.admit('evil')).toThrow('128 commands run in container evil already')
    admissions.admit('good')
    for (const admission of held.slice(0, 1)) admissions.forget(admission)
    admissions.admit('evil')
  })

  it('are as many as may be in all', () => {
    const admissions = new ExecAdmissions()
    for (let count = 0; count < 1024; count += 1) admissions.admit(`c${count % 8}`)
    expect(() => admissions.admit('another')).toThrow('1024 commands run in containers already')
  })

  it('are ended as soon as they can be, when their container ends while they are being started', async () => {
    const admissions = new ExecAdmissions()
    const admission = admissions.admit('c')
    const all = admissions.endAll('c', 2000)
    const exec = noting()
    admissions.begin(admission, exec)
    expect(exec.done).toEqual(['end 2000'])
    admissions.forget(admission)
    expect(await all).toBe(true)
  })

  it('are let go of as soon as they can be, when that comes while they are being started', async () => {
    const admissions = new ExecAdmissions()
    const admission = admissions.admit('c')
    await admissions.close()
    const exec = noting()
    admissions.begin(admission, exec)
    expect(exec.done).toEqual(['disconnect'])
    expect(() => admissions.admit('c')).toThrow('the runtime is closed')
  })

  it('that cannot be ended are not over, and nothing rejects for it', async () => {
    const admissions = new ExecAdmissions()
    const admission = admissions.admit('c')
    admissions.begin(admission, { end: refuse, disconnect: refuse })
    expect(await admissions.endAll('c', 1)).toBe(false)
    // Told again that it runs: its end is asked for at once, and waited for by nobody.
    admissions.begin(admission, { end: refuse, disconnect: refuse })
    await admissions.close()
    admissions.begin(admission, { end: refuse, disconnect: refuse })
  })
})
