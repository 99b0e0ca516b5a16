import { describe, expect, it } from 'vitest'
import { OciError } from '../../../src/errors/index.ts'
import { checkPrograms } from '../../../src/impl/host/check-programs.ts'
import type { Command, CommandResult } from '../../../src/impl/launcher/launcher.ts'

/** A launcher whose programs say what is given, by path. */
function launcherOf(outputs: Readonly<Record<string, string>>) {
  const asked: string[] = []
  const run = ({ argv: [path] }: Command): Promise<CommandResult> => {
    asked.push(path)
    return Promise.resolve({
      exitCode: 0,
      signal: undefined,
      timedOut: false,
      stdout: outputs[path] ?? '',
      stdoutTruncated: false,
      stderrTail: '',
    })
  }
  return { asked, launcher: { run } }
}

const program = (path: string) => ({ env: {}, path: () => Promise.resolve(path) })
const { signal } = new AbortController()

describe('checking programs', () => {
  it('tells of every advisory of a version with its name and what to do', async () => {
    const { launcher } = launcherOf({ '/bin/runc': 'runc version 1.4.0-rc.1\nspec: 1.2.0\n' })
    const findings = await checkPrograms([program('/bin/runc')], { launcher, acknowledged: [], signal })
    expect(findings.map(({ advisory }) => advisory)).toEqual([
      'CVE-2025-31133',
      'CVE-2025-52565',
      'CVE-2025-52881',
      'CVE-2026-41579',
    ])
    expect(findings[0]).toMatchObject({ check: 'advisory', severity: 'warning', subject: '/bin/runc' })
    expect(findings[0]?.message).toContain('runc 1.4.0-rc.1 (/bin/runc)')
    expect(findings[0]?.remedy).toContain('acknowledged_advisories')
  })

  it('lists an acknowledged advisory as information, and the others as warnings', async () => {
    const { launcher } = launcherOf({ '/bin/crun': 'crun version 1.19\n' })
    const acknowledged = ['CVE-2026-30892']
    const findings = await checkPrograms([program('/bin/crun')], { launcher, acknowledged, signal })
    const severities = new Map(findings.map(({ advisory, severity }) => [advisory, severity]))
    expect(severities.get('CVE-2026-30892')).toBe('info')
    expect(severities.get('CVE-2026-47766')).toBe('warning')
  })

  it('runs a program that two handlers share once', async () => {
    const { launcher, asked } = launcherOf({})
    const programs = [program('/bin/conmon'), program('/bin/conmon')]
    await checkPrograms(programs, { launcher, acknowledged: [], signal })
    expect(asked).toEqual(['/bin/conmon'])
  })

  it('says of a program without a known version that nothing is known of it', async () => {
    const { launcher } = launcherOf({ '/opt/mine': 'my-runtime 3\n' })
    const findings = await checkPrograms([program('/opt/mine')], { launcher, acknowledged: [], signal })
    expect(findings).toMatchObject([{ check: 'version', severity: 'info', subject: '/opt/mine' }])
  })

  it('tells of a program that cannot be found as an error, and goes on with the next', async () => {
    const { launcher, asked } = launcherOf({})
    const absent = new OciError('ERR_RUNTIME_NOT_FOUND', 'there is no crun on PATH', { field: 'runtimePath' })
    const programs = [{ env: {}, path: () => Promise.reject(absent) }, program('/bin/conmon')]
    const findings = await checkPrograms(programs, { launcher, acknowledged: [], signal })
    expect(findings[0]).toMatchObject({ check: 'program', severity: 'error' })
    expect(findings[0]?.remedy).toContain('runtimePath')
    expect(asked).toEqual(['/bin/conmon'])
  })
})
