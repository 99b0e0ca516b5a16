import { describe, expect, it } from 'vitest'
import { advisories, advisoriesOf, type KnownProgram } from '../../../src/impl/host/advisories.ts'

const namesOf = (program: KnownProgram, version: string): readonly string[] | undefined =>
  advisoriesOf(program, version)?.map(({ name }) => name)

describe('the advisories of a version', () => {
  it.each<[KnownProgram, string, string, boolean]>([
    ['runc', '1.1.5+ds1', 'CVE-2024-21626', true],
    ['runc', '1.1.11', 'CVE-2024-21626', true],
    ['runc', '1.1.12', 'CVE-2024-21626', false],
    ['runc', '1.0.0-rc92', 'CVE-2024-21626', false],
    ['runc', '1.0.0-rc93', 'CVE-2024-21626', true],
    ['runc', '1.1.15', 'CVE-2025-31133', true],
    ['runc', '1.2.7', 'CVE-2025-31133', true],
    ['runc', '1.2.8', 'CVE-2025-31133', false],
    ['runc', '1.2.10', 'CVE-2025-31133', false],
    ['runc', '1.3.0', 'CVE-2025-52881', true],
    ['runc', '1.3.3', 'CVE-2025-52881', false],
    ['runc', '1.4.0-rc.2', 'CVE-2025-52565', true],
    ['runc', '1.4.0-rc.3', 'CVE-2025-52565', false],
    ['runc', '1.4.0', 'CVE-2025-52565', false],
    ['runc', '1.4.2', 'CVE-2026-41579', true],
    ['runc', '1.5.0', 'CVE-2026-41579', false],
    ['crun', '1.8.1', 'CVE-2026-30892', false],
    ['crun', '1.19', 'CVE-2026-30892', true],
    ['crun', '1.27', 'CVE-2026-30892', false],
    ['crun', '1.27.1', 'CVE-2026-47766', true],
    ['crun', '1.28', 'CVE-2026-47766', false],
    ['conmon', '2.1.1', 'CVE-2022-1708', true],
    ['conmon', '2.1.6', 'CVE-2022-1708', false],
  ])('of %s %s: is %s among them? %s', (program, version, name, expected) => {
    expect(namesOf(program, version)?.includes(name)).toBe(expected)
  })

  it('are not known for what is no version', () => {
    expect(advisoriesOf('runc', 'unknown')).toBeUndefined()
    expect(advisoriesOf('runc', '')).toBeUndefined()
  })

  it('name ranges that begin before they end, and each advisory once', () => {
    expect(new Set(advisories.map(({ name }) => name)).size).toBe(advisories.length)
    for (const { program, name, affected } of advisories)
      for (const [since, before] of affected) {
        expect([name, namesOf(program, since === '0' ? '0.0.1' : since)?.includes(name)]).toEqual([
          name,
          true,
        ])
        expect([name, namesOf(program, before)?.includes(name)]).toEqual([name, false])
      }
  })
})
