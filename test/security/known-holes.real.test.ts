/** What an operator learns of the runtimes on this host, and a root file system that makes use of one of their holes. */
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { defineConfig, Runtime, type ConfigInput } from '../../src/index.ts'
import { hostForTest, runtimePrograms } from '../e2e/facade-host.ts'
import { runtimeNames } from '../e2e/oci-host.ts'
import { makeTempRoot } from '../support/temp-root.ts'
import { factMaxMs } from '../support/eventually.ts'

interface Warning {
  readonly program?: string
  readonly advisories?: readonly string[]
}

const silent = (): void => undefined

async function openWithWarnings(change: Partial<ConfigInput> = {}) {
  const root = makeTempRoot()
  const warnings: Warning[] = []
  const warn = (details: object): void => void warnings.push(details)
  const runtimes = {
    crun: { runtimePath: runtimePrograms.crun },
    runc: { runtimePath: runtimePrograms.runc },
  }
  const config = defineConfig({ runtimes, stateDir: `${root}/state`, runDir: `${root}/run`, ...change })
  const runtime = await Runtime.open(config, { logger: { debug: silent, info: silent, warn, error: silent } })
  onTestFinished(() => runtime.close())
  return { runtime, warnings }
}

describe('the programs of this host', () => {
  it('are checked, and a warning at open names those with holes that nobody has acknowledged', async () => {
    const { runtime, warnings } = await openWithWarnings()
    const findings = await runtime.check()
    const holes = findings.filter(({ severity }) => severity === 'warning')
    expect(findings.filter(({ check }) => check === 'version' || check === 'program')).toEqual([])
    const expected = Map.groupBy(holes, ({ subject }) => subject)
    await expect
      .poll(() => warnings.filter(({ advisories }) => advisories !== undefined), { timeout: factMaxMs })
      .toEqual(
        [...expected].map(([program, found]) => ({
          program,
          advisories: found.map(({ advisory }) => advisory),
        })),
      )
  })

  it('give no warning once their advisories are acknowledged', async () => {
    const first = await openWithWarnings()
    const advisories = (await first.runtime.check()).flatMap(({ advisory }) => advisory ?? [])
    const { runtime, warnings } = await openWithWarnings({ acknowledgedAdvisories: advisories })
    expect((await runtime.check()).map(({ severity }) => severity)).toEqual(advisories.map(() => 'info'))
    expect(warnings.filter((warning) => warning.advisories !== undefined)).toEqual([])
  })

  it('are no longer checked when the runtime has closed, and a check under way ends', async () => {
    const { runtime } = await openWithWarnings()
    const checking = runtime.check().then(
      () => 'checked',
      (error: { code: string }) => error.code,
    )
    await runtime.close()
    expect(['checked', 'ERR_CLOSED', 'ERR_ABORTED']).toContain(await checking)
    await expect(runtime.check()).rejects.toMatchObject({ code: 'ERR_CLOSED', operation: 'check' })
  })
})

describe.each(runtimeNames)('a root file system with a linked /dev on %s', (name) => {
  it('is refused, and nothing is made or removed where the link leads', async () => {
    const host = await hostForTest(name)
    const decoy = join(host.root, 'decoy')
    mkdirSync(decoy)
    writeFileSync(join(decoy, 'ptmx'), 'a file of the host')
    const container = await host.describe(['/bin/true'])
    rmSync(join(host.rootfs, 'dev'), { recursive: true })
    symlinkSync(decoy, join(host.rootfs, 'dev'))
    await expect(host.runtime.createContainer(container)).rejects.toMatchObject({
      code: 'ERR_BUNDLE',
      field: 'root.path',
    })
    expect(readdirSync(decoy)).toEqual(['ptmx'])
    await host.runtime.deleteContainer(container)
  })
})
