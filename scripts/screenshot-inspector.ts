/**
 * The pictures of the inspector in README and docs: node scripts/screenshot-inspector.ts [DIRECTORY], after a build and
 * with Chromium. Simulated containers, some of them in trouble.
 */
import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { chromium, type Browser } from 'playwright-core'
import { Container, defaultSpec, defineConfig, memoryStateDirectory, Runtime } from 'oci-supervisor'
import { openInspector } from 'oci-supervisor/inspect'
import { SimulatedRuntime } from 'oci-supervisor/testing'

const outDirectory = process.argv[2] ?? join(import.meta.dirname, '../docs/images')
const count = 960
const apps = ['api', 'web', 'worker', 'cache', 'ingest', 'mailer']
/** Where each picture's trouble is. */
const [stuckAt, shownAt] = [[5, 410, 777], 12]

const directory = await mkdtemp(join(tmpdir(), 'screenshot-'))
const sim = new SimulatedRuntime()
const runtimes = { crun: { runtimeType: 'sim' }, kata: { runtimeType: 'sim' } }
const runtime = await Runtime.open(defineConfig({ defaultRuntime: 'crun', runtimes }), {
  implementations: { sim: () => sim },
  stateDirectory: memoryStateDirectory(),
})
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
})
try {
  const containers = await aFleet()
  await using inspector = await openInspector(runtime, { reveal: { labels: ['app'] } })
  // The stuck ones have to be stuck for a while.
  await delay(12_000)
  await mkdir(outDirectory, { recursive: true })
  const shown = containers[shownAt]
  for (const scheme of ['light', 'dark'] as const) {
    await picture(browser, { url: `${inspector.url}#/`, scheme, name: `inspector-overview-${scheme}.png` })
    if (shown === undefined) continue
    const url = `${inspector.url}#/c/${shown.id}`
    await picture(browser, {
      url,
      scheme,
      name: `inspector-container-${scheme}.png`,
      act: () => unrest(shown),
    })
  }
} finally {
  await browser.close()
  await runtime.close()
  await rm(directory, { recursive: true })
}

async function aFleet(): Promise<Container[]> {
  const containers = Array.from({ length: count }, (_, n) => describe(n))
  for (const n of stuckAt) sim.program(containers[n]?.id ?? '', { onTerm: 'ignore', onKill: 'ignore' })
  for (const [n, container] of containers.entries()) {
    await runtime.createContainer(container)
    if (n < count * 0.96) await runtime.startContainer(container)
  }
  for (const [n, container] of containers.slice(0, 900).entries()) {
    if (stuckAt.includes(n)) runtime.stopContainer(container, 0).catch(() => undefined)
    else if (n % 13 === 4) await runtime.pauseContainer(container)
    else if (n % 29 === 7) sim.exitNow(container.id, n % 3)
    else if (n % 211 === 9) sim.oomKill(container.id)
  }
  return containers
}

function describe(n: number): Container {
  const app = apps[n % apps.length] ?? ''
  const id = `${app}-${((n * 7919) % 46_656).toString(36).padStart(3, '0')}${n.toString(36)}`
  const container = new Container({
    id,
    name: `${app}-${Math.floor(n / apps.length)}`,
    bundlePath: `/var/lib/bundles/${id}`,
    logPath: join(directory, `${id}.log`),
    runtimeHandler: n % 17 === 1 ? 'kata' : 'crun',
    sandbox: `pod-${Math.floor(n / 3)}`,
    imageName: `registry.local/${app}:1.${n % 4}`,
    labels: { app, tier: n % 2 === 0 ? 'front' : 'back' },
  })
  const env = { PATH: '/usr/bin:/bin', DATABASE_URL: 'postgres://app:secret@db/app' }
  container.setSpec(defaultSpec({ rootfs: '/rootfs', args: [`/bin/${app}`, '--listen=:8080'], env }))
  return container
}

/** Something to see in the history and in the log. */
async function unrest(container: Container): Promise<void> {
  for (let n = 0; n < 24; n += 1) {
    const at = new Date(Date.now() - (24 - n) * 700).toISOString().replace('Z', '000000+00:00')
    const line =
      n % 9 === 5
        ? 'stderr F slow upstream: 1.9 s'
        : `stdout F GET /items/${(n * 37) % 997} 200 ${(n * 7) % 31} ms`
    await appendFile(container.logPath, `${at} ${line}\n`)
  }
  if (container.phase === 'paused') await runtime.unpauseContainer(container)
  await runtime.pauseContainer(container)
  await delay(900)
  await runtime.unpauseContainer(container)
  await delay(700)
  await runtime.pauseContainer(container)
}

interface Picture {
  readonly url: string
  readonly scheme: 'light' | 'dark'
  readonly name: string
  readonly act?: () => Promise<void>
}

async function picture(chrome: Browser, { url, scheme, name, act }: Picture): Promise<void> {
  const page = await chrome.newPage({
    viewport: { width: 1280, height: 800 },
    colorScheme: scheme,
    reducedMotion: 'reduce',
  })
  await page.goto(url)
  await page.locator('.link.open').waitFor()
  await delay(800)
  await act?.()
  await delay(1200)
  await page.screenshot({ path: join(outDirectory, name) })
  await page.close()
  console.log(join(outDirectory, name))
}
