/** The page in a real browser. That it is quick is measured by bench/inspect.ts, not here. */
import { appendFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { build, stop } from 'esbuild'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { defaultSpec } from '../../src/bundle/default-spec.ts'
import { Container } from '../../src/container.ts'
import { OciError } from '../../src/errors/index.ts'
import { openChromium } from '../support/chromium.ts'
import { makeTempRoot } from '../support/temp-root.ts'
import { inspectorAssets, LeapingClock, openInspected, type Inspected } from './inspected.ts'

const require = createRequire(import.meta.url)

let browser: Browser
beforeAll(async () => {
  browser = await openChromium(['--host-resolver-rules=MAP evil.example 127.0.0.1'])
})
afterAll(() => browser.close())

let inspected: Inspected
let page: Page
let clock: LeapingClock
/** What no page may cause: requests to elsewhere, errors, violations of the policy. */
let complaints: string[]

beforeEach(async () => {
  clock = new LeapingClock()
  inspected = await openInspected({ reveal: { labels: ['app'] } }, await inspectorAssets(), clock)
  page = await browser.newPage({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })
  page.setDefaultTimeout(20_000)
  complaints = []
  watchFor(page)
})
afterEach(async () => {
  await page.close()
  await inspected[Symbol.asyncDispose]()
  if (complaints.length > 0) throw new Error(`the page gave cause for complaint:\n${complaints.join('\n')}`)
})

function watchFor(watched: Page): void {
  const own = new URL(inspected.inspector.url).host
  watched.on('pageerror', (error) => complaints.push(String(error)))
  watched.on('request', (request) => {
    const url = new URL(request.url())
    if (url.protocol !== 'data:' && url.host !== own) complaints.push(`request to ${url.host}`)
  })
  watched.on('console', (message) => {
    const isExpected =
      message.text().includes('WebSocket connection') || message.text().includes('ERR_CONNECTION_REFUSED')
    if (message.type() === 'error' && !isExpected) complaints.push(message.text())
  })
}

async function open(hash = '#/'): Promise<void> {
  await page.goto(`${inspected.inspector.url}${hash}`)
}

const rows = (): ReturnType<Page['locator']> => page.locator('.list-body li .id')

/** Some containers in different states. */
async function aFleet(): Promise<void> {
  const { runtime, sim, run } = inspected
  await run({ id: 'web-1', name: 'front', labels: { app: 'shop' } })
  await run({ id: 'web-2', labels: { app: 'blog' } })
  const batch = await run({ id: 'batch' })
  const hog = await run({ id: 'hog' })
  await runtime.pauseContainer(batch)
  sim.oomKill('hog')
  await runtime.waitContainer(hog)
}

describe('the overview', () => {
  it('lists and counts the containers, and follows them', async () => {
    await aFleet()
    await open()
    await expect.poll(() => rows().allTextContents()).toEqual(['web-1', 'web-2', 'batch', 'hog'])
    const count = (state: string): Promise<string | null> =>
      page
        .locator('.sidebar .choice', { hasText: new RegExp(`^${state}\\d`) })
        .locator('b')
        .textContent()
    expect([await count('running'), await count('paused'), await count('stopped')]).toEqual(['2', '1', '1'])
    await inspected.run({ id: 'web-3' })
    await page.getByText('web-3').waitFor()
    expect(await count('running')).toBe('3')
    const hog = page.locator('.list-body li', { hasText: 'hog' })
    expect(await hog.textContent()).toContain('out of memory')
    expect(await hog.textContent()).toContain('exit 137, KILL')
  })

  it('is filtered by words, labels, state and trouble, and every filter can be linked to', async () => {
    await aFleet()
    await open()
    await rows().first().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('app=shop')
    await expect.poll(() => rows().allTextContents()).toEqual(['web-1'])
    expect(page.url()).toContain('#/?q=app%3Dshop')
    await page.getByText('show all').click()
    await page.locator('.choice', { hasText: 'paused' }).click()
    await expect.poll(() => rows().allTextContents()).toEqual(['batch'])
    await open('#/?only=oom')
    await page.reload()
    await expect.poll(() => rows().allTextContents()).toEqual(['hog'])
  })

  it('says what waits too long, and for what', async () => {
    const { runtime, sim } = inspected
    sim.program('stone', { onTerm: 'ignore', onKill: 'ignore' })
    const stone = await inspected.run({ id: 'stone' })
    runtime.stopContainer(stone, 0).catch(() => undefined)
    clock.leap(30_000)
    await open()
    const stuck = page.locator('section.stuck')
    await stuck.getByText('the process to die after KILL').waitFor()
    expect(await stuck.textContent()).toContain('uninterruptible sleep (D)')
    sim.exitNow('stone', 0)
  })

  it('can be used with the keyboard alone', async () => {
    await aFleet()
    await open()
    await rows().first().waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('j')
    await expect
      .poll(() => page.evaluate<string>(`document.activeElement?.getAttribute('data-position')`))
      .toBe('1')
    await page.keyboard.press('Enter')
    await page.locator('.container h1', { hasText: 'web-2' }).waitFor()
    await page.keyboard.press('Escape')
    await rows().first().waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  })

  it('has as many rows in the page as can be seen, of however many there are', async () => {
    for (let group = 0; group < 300; group += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, n) => inspected.run({ id: `c-${group + n}` })))
    }
    await open()
    await page.locator('.total', { hasText: '300' }).waitFor()
    expect(await rows().count()).toBeLessThan(60)
    await page.keyboard.press('End')
    await page.getByText('c-299').waitFor()
    const canvas = page.locator('canvas')
    await canvas.click({ position: { x: 5, y: 5 } })
    await page.locator('.container h1', { hasText: 'c-0' }).waitFor()
  })
})

function markup(field: string): string {
  return `${field}<img class=injected src=x onerror="document.title='injected'"><script class=injected>document.title='injected'</script>`
}

describe('one container', () => {
  it('shows its active states and the arrow that was taken last', async () => {
    const web = await inspected.run({ id: 'web' })
    await open('#/c/web')
    await page.locator('[data-state="container.live.life.running"].on').waitFor()
    await inspected.runtime.pauseContainer(web)
    await page.locator('[data-state="container.live.life.paused"].on').waitFor()
    const arrows = page.locator('.edge.on title')
    expect(await arrows.allTextContents()).toEqual([
      expect.stringContaining('live.life.pausing → live.life.paused'),
    ])
    expect(await page.locator('.state.leaf.on .name').allTextContents()).toEqual(['paused', 'alive'])
  })

  it('shows its history with causes and durations, and how it ended', async () => {
    const { runtime, sim, run } = inspected
    sim.program('web', { onTerm: 'ignore' })
    const web = await run({ id: 'web' })
    await open('#/c/web')
    await page.locator('.now .phase', { hasText: 'running' }).waitFor()
    await runtime.stopContainer(web, 0.2)
    await page.locator('.now .phase', { hasText: 'stopped' }).waitFor()
    const history = await page.locator('.history tbody tr').allTextContents()
    const text = history.join('\n')
    expect(text).toMatch(/stop grace 0.2 s, request \d+running → stopping.signalling/)
    expect(text).toMatch(/deadline reachedstopping.grace → stopping.killing.sending\d+ ms/)
    expect(text).toContain('exited code 137, KILL')
    expect(await page.locator('.now .exit').textContent()).toContain(
      'Exit code 137, which usually stands for KILL',
    )
  })

  it('shows what ran out of memory, commands that wait, and its log as it grows', async () => {
    const { runtime, sim, run } = inspected
    const logPath = join(makeTempRoot(), 'log')
    const write = (line: string): void =>
      appendFileSync(logPath, `2026-01-01T00:00:00.000000000+00:00 stderr F ${line}\n`)
    write('before')
    const web = await run({ id: 'web', logPath })
    sim.inject('web', { effect: 'pause', fault: 'late', delayMs: 1500 })
    await open('#/c/web')
    await page.getByText('before').waitFor()
    write('<b>after</b>')
    await page.getByText('<b>after</b>').waitFor()
    const done = Promise.allSettled([runtime.pauseContainer(web), runtime.unpauseContainer(web)])
    await page.locator('.now dl div', { hasText: 'under way' }).getByText('pause', { exact: true }).waitFor()
    await page.locator('.now dl div', { hasText: 'waiting' }).getByText('unpause').waitFor()
    await done
    sim.oomKill('web')
    await page.getByText('ended by the kernel for lack of memory').waitFor()
    await runtime.deleteContainer(web)
    await page.getByText('The container was deleted. This is how it was.').waitFor()
    expect(await page.locator('.log .stderr').allTextContents()).toEqual([
      expect.stringContaining('before'),
      expect.stringContaining('<b>after</b>'),
    ])
  })

  it('shows names and withholds values', async () => {
    const web = new Container({
      id: 'web',
      bundlePath: '/bundles/web',
      labels: { app: 'shop', key: 's3cret' },
    })
    web.setSpec(defaultSpec({ rootfs: '/rootfs', args: ['/bin/web', 's3cret'], env: { PASSWORD: 's3cret' } }))
    await inspected.runtime.createContainer(web)
    await open('#/c/web')
    await page.getByText('Labels').click()
    await page.getByText('Environment').click()
    await page.getByText('PASSWORD').waitFor()
    const text = (await page.locator('.facts').textContent()) ?? ''
    expect(text).toContain('appshop')
    expect(text).toContain('keywithheld')
    expect(text).toContain('PASSWORDwithheld')
    expect(text).toContain('arguments2, withheld')
    expect((await page.content()).includes('s3cret')).toBe(false)
  })

  it('that is not there is said not to be, also when the address cannot be decoded', async () => {
    for (const id of ['nobody', '100%', '%E0%A4%A']) {
      await open(`#/c/${id}`)
      await page.getByText('There is no container of this id.').waitFor()
      expect(await page.locator('main').count()).toBe(0)
    }
    await page.evaluate(`location.hash = '#/c/%'`)
    await page.getByText('There is no container of this id.').waitFor()
    await open('#/?q=%')
    await page.locator('.link', { hasText: 'live' }).waitFor()
  })

  it('shows markup as text, whatever field it is in', async () => {
    const envName = markup('env').replaceAll('=', '')
    const reveal = {
      labels: [markup('label')],
      annotations: [markup('annotation')],
      env: [envName],
      args: true,
    }
    await inspected[Symbol.asyncDispose]()
    inspected = await openInspected({ reveal }, await inspectorAssets(), clock)
    const { runtime, sim } = inspected
    await page.close()
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    watchFor(page)
    const logPath = join(makeTempRoot(), 'log')
    appendFileSync(logPath, `2026-01-01T00:00:00.000000000+00:00 stdout F ${markup('line')}\n`)
    const web = new Container({
      id: 'web',
      name: markup('name'),
      bundlePath: `/bundles/${markup('bundle').replaceAll('/', '')}`,
      logPath,
      sandbox: markup('sandbox'),
      image: markup('image'),
      imageName: markup('imageName'),
      labels: { [markup('label')]: markup('labelValue') },
      annotations: { [markup('annotation')]: markup('annotationValue') },
    })
    const rootfs = '/rootfs'
    web.setSpec(defaultSpec({ rootfs, args: [markup('arg')], env: { [envName]: markup('envValue') } }))
    await runtime.createContainer(web)
    const error = new OciError('ERR_IO', markup('error'), { file: markup('file') })
    sim.inject('web', { effect: 'start', fault: 'fail', error })
    await expect(runtime.startContainer(web)).rejects.toThrow('error')
    const views = [
      '#/',
      `#/?q=${encodeURIComponent(markup('query'))}`,
      `#/?phase=${encodeURIComponent(markup('x'))}`,
      '#/c/web',
      `#/c/${encodeURIComponent(markup('id'))}`,
    ]
    const shown: string[] = []
    for (const hash of views) {
      await open(hash)
      await page.reload()
      await page.locator('.link', { hasText: 'live' }).waitFor()
      if (hash === '#/c/web') {
        for (const title of ['Labels', 'Annotations', 'Environment']) await page.getByText(title).click()
        await page.locator('.log', { hasText: 'line<img' }).waitFor()
      }
      expect(await page.locator('.injected').count(), hash).toBe(0)
      expect(await page.title(), hash).not.toBe('injected')
      shown.push((await page.locator('body').textContent()) ?? '')
    }
    const text = shown.join('\n')
    for (const field of [
      'name',
      'sandbox',
      'imageName',
      'label',
      'annotation',
      'bundle',
      'env',
      'error',
      'line',
    ])
      expect(text).toContain(`${field}<img`)
  })
})

describe('a connection that breaks', () => {
  it('comes back, with what there is then', async () => {
    const web = await inspected.run({ id: 'web' })
    await open('#/c/web')
    await page.locator('.link', { hasText: 'live' }).waitFor()
    const focused = page
    page = await browser.newPage()
    watchFor(page)
    await open()
    await rows().first().waitFor()
    const { port, token } = inspected.inspector
    await inspected.inspector.close()
    await page.locator('.link', { hasText: 'reconnecting' }).waitFor()
    await page.getByText('what was last known').waitFor()
    expect(await rows().allTextContents()).toEqual(['web'])
    await inspected.run({ id: 'late' })
    await inspected.runtime.pauseContainer(web)
    await inspected.reopenInspector()
    expect(inspected.inspector).toMatchObject({ port, token })
    await page.locator('.link', { hasText: 'live' }).waitFor()
    await expect.poll(() => rows().allTextContents()).toEqual(['web', 'late'])
    await focused.locator('.now .phase', { hasText: 'paused' }).waitFor()
    await focused.close()
  })

  it('to a supervisor that was restarted with another token says so', async () => {
    await open()
    await page.locator('.link', { hasText: 'live' }).waitFor()
    const { port = 0 } = inspected.inspector
    await inspected.inspector.close()
    await using other = await openInspected({ port })
    await page.getByText('does not know this page’s token any more').waitFor()
    expect(other.inspector.attached).toBe(0)
    // The browser itself says that it was refused.
    complaints = complaints.filter((complaint) => !complaint.includes('401'))
  })
})

/** `open`, or the way in which it was refused. */
function attempt(other: Page, url: string): Promise<string> {
  return other.evaluate(
    (address) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(address)
        socket.addEventListener('open', () => resolve('open'))
        socket.addEventListener('error', () => resolve('refused'))
      }),
    url,
  )
}

describe('a page of somebody else', () => {
  let server: Server
  let origin: string
  let script: string
  beforeAll(async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: `import { createWebSocketReceiver } from '@statelyai/inspect'
          window.seen = []
          window.receive = (server) => createWebSocketReceiver({ server }).subscribe((event) => window.seen.push(event))`,
        resolveDir: import.meta.dirname,
      },
      bundle: true,
      write: false,
      format: 'iife',
      logLevel: 'error',
    })
    await stop()
    script = outputFiles[0]?.text ?? ''
    server = createServer((_, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(`<!doctype html><script>${script.replaceAll('</script', String.raw`<\/script`)}</script>`)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => new Promise((resolve) => server.close(resolve)))

  it('is not let in although it knows the token', async () => {
    const other = await browser.newPage()
    await other.goto(origin)
    const url = inspected.inspector.url.replace('http:', 'ws:').replace('/?', '/watch?')
    expect(await attempt(other, url)).toBe('refused')
    expect(await attempt(other, inspected.inspector.statelyUrl)).toBe('refused')
    const fetched = await other.evaluate(
      (address) =>
        fetch(address).then(
          () => 'read',
          () => 'refused',
        ),
      inspected.inspector.url,
    )
    expect(fetched).toBe('refused')
    await other.close()
  })

  it('is not let in under a name that it has rebound to this machine', async () => {
    const other = await browser.newPage()
    const { port = 0, token = '' } = inspected.inspector
    const response = await other.goto(`http://evil.example:${port}/?token=${token}`)
    expect(response?.status()).toBe(403)
    expect(await attempt(other, `ws://evil.example:${port}/watch?token=${token}`)).toBe('refused')
    await other.close()
  })

  it('that the embedder lists sees the machines through the stock receiver', async () => {
    await using listing = await openInspected({ origins: [origin] })
    const web = await listing.run({ id: 'web' })
    const other = await browser.newPage()
    await other.goto(origin)
    await other.evaluate(`receive(${JSON.stringify(listing.inspector.statelyUrl)})`)
    await other.waitForFunction('seen.some(({ type, name }) => type === "@xstate.actor" && name === "web")')
    await listing.runtime.pauseContainer(web)
    await other.waitForFunction(
      'seen.some(({ type, event }) => type === "@xstate.event" && event.type === "container.pause")',
    )
    await other.waitForFunction('seen.some(({ snapshot }) => snapshot?.value?.live?.life === "paused")')
    expect(listing.inspector.attached).toBe(1)
    await other.close()
  })
})

describe('accessibility', () => {
  const axe = require.resolve('axe-core/axe.min.js')

  it.each([
    ['light', 1280, ['#/', '#/?phase=paused', '#/c/hog', '#/c/stone']],
    ['dark', 390, ['#/', '#/c/stone']],
  ] as const)('axe has nothing to say about any view, %s, %i px wide', async (colorScheme, width, views) => {
    await page.close()
    page = await browser.newPage({
      viewport: { width, height: 844 },
      colorScheme,
      bypassCSP: true,
      reducedMotion: 'reduce',
    })
    watchFor(page)
    await aFleet()
    const { runtime, sim } = inspected
    sim.program('stone', { onTerm: 'ignore', onKill: 'ignore' })
    const stone = await inspected.run({ id: 'stone' })
    runtime.stopContainer(stone, 0).catch(() => undefined)
    clock.leap(30_000)
    for (const hash of views) {
      await open(hash)
      await page
        .locator(hash.startsWith('#/c') ? '.state.on' : '.list-body li')
        .first()
        .waitFor()
      if (hash === '#/c/stone') await page.keyboard.press('?')
      await page.addScriptTag({ path: axe })
      const violations = await page.evaluate<string[]>(
        `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html)))`,
      )
      expect(violations, hash).toEqual([])
    }
    sim.exitNow('stone', 0)
  })
})
