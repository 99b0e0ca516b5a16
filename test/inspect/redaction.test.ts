import { expect, it } from 'vitest'
import { Container } from '../../src/container.ts'
import { OciError } from '../../src/errors/index.ts'
import { defaultSpec } from '../../src/bundle/default-spec.ts'
import { openInspected, streamUrl, Watcher, type Inspected } from './inspected.ts'

/** A value for every place in which somebody may keep a secret. */
const secrets = {
  env: 'env-5ecret',
  args: 'args-5ecret',
  label: 'label-5ecret',
  annotation: 'annotation-5ecret',
  crioAnnotation: 'crio-5ecret',
  specAnnotation: 'spec-5ecret',
  mount: '/host/mount-5ecret',
  mountOption: 'password=option-5ecret',
}

function secretContainer(): Container {
  const container = new Container({
    id: 'keeper',
    bundlePath: '/bundles/keeper',
    labels: { app: 'keeper', password: secrets.label },
    annotations: { 'example/password': secrets.annotation },
    crioAnnotations: { 'crio/password': secrets.crioAnnotation },
  })
  const spec = defaultSpec({
    rootfs: '/rootfs',
    args: ['/bin/keeper', `--password=${secrets.args}`],
    env: { PASSWORD: secrets.env, PATH: '/usr/bin' },
  })
  container.setSpec({
    ...spec,
    annotations: { 'spec/password': secrets.specAnnotation },
    mounts: [
      { destination: '/secrets', source: secrets.mount, type: 'cifs', options: [secrets.mountOption] },
    ],
  })
  return container
}

/** A life with every kind of trouble in whose messages a runtime repeats what it was given. */
async function liveAndFail({ runtime, sim }: Inspected, container: Container): Promise<void> {
  const words = `cannot run: ${Object.values(secrets).join(' ')}`
  const error = new OciError('ERR_RUNTIME_FAILED', words, {
    command: {
      argv: ['crun', secrets.args],
      exitCode: 1,
      signal: undefined,
      stderrTail: words,
      timedOut: false,
    },
  })
  sim.inject(container.id, { effect: 'pause', fault: 'fail', error })
  sim.inject(container.id, { effect: 'delete', fault: 'fail', error, times: 5 })
  await runtime.createContainer(container)
  await runtime.startContainer(container)
  await runtime.pauseContainer(container).catch(() => undefined)
  await runtime.stopContainer(container, 0)
  await runtime.deleteContainer(container).catch(() => undefined)
}

it('no frame of any stream has a value that is not listed', async () => {
  await using inspected = await openInspected({ reveal: { labels: ['app'], env: ['PATH'] } })
  const container = secretContainer()
  const streams = [streamUrl(inspected), streamUrl(inspected, '/stately')]
  const watchers = streams.map((url) => new Watcher(url))
  await watchers[0]?.frame(({ type }) => type === 'hello')
  const living = liveAndFail(inspected, container)
  const focused = new Watcher(streamUrl(inspected, '/watch', { id: container.id }))
  watchers.push(focused)
  await living
  await focused.frame(({ type, error }) => type === 'state' && error !== undefined)
  await watchers[0]?.frame(
    ({ type, rows }) => type === 'rows' && JSON.stringify(rows).includes('"app":"keeper"'),
  )

  const texts = watchers.flatMap((watcher) => watcher.texts)
  expect(texts.length).toBeGreaterThan(5)
  for (const text of texts) expect(text).not.toContain('5ecret')
  const facts = JSON.stringify(await focused.frame(({ type }) => type === 'facts'))
  expect(facts).toContain('["PASSWORD",null]')
  expect(facts).toContain('["PATH","/usr/bin"]')
  expect(facts).toContain('["/secrets",null]')
  const state = await focused.frame(({ type, error }) => type === 'state' && error !== undefined)
  expect(JSON.stringify(state)).toContain('cannot run: ')
  await Promise.all(watchers.map((watcher) => watcher.close()))
})

it('what is listed is shown', async () => {
  await using inspected = await openInspected({
    reveal: {
      labels: ['password'],
      annotations: ['example/password'],
      env: ['PASSWORD'],
      mounts: ['/secrets'],
      args: true,
    },
  })
  const container = secretContainer()
  await inspected.runtime.createContainer(container)
  const focused = new Watcher(streamUrl(inspected, '/watch', { id: container.id }))
  const facts = JSON.stringify(await focused.frame(({ type }) => type === 'facts'))
  for (const shown of [secrets.label, secrets.annotation, secrets.env, secrets.mount, secrets.args]) {
    expect(facts).toContain(shown)
  }
  expect(facts).not.toContain(secrets.crioAnnotation)
  await focused.close()
})

it('of a container whose bundle cannot be read no message is shown, as nobody knows what is in it', async () => {
  await using inspected = await openInspected()
  const error = new OciError('ERR_RUNTIME_FAILED', 'the runtime said 5ecret')
  inspected.sim.inject('blind', { effect: 'delete', fault: 'fail', error, times: 5 })
  const blind = await inspected.run({ id: 'blind' })
  const focused = new Watcher(streamUrl(inspected, '/watch', { id: 'blind' }))
  await focused.frame(({ type }) => type === 'facts')
  await inspected.runtime.deleteContainer(blind).catch(() => undefined)
  const state = await focused.frame(({ type, error: shown }) => type === 'state' && shown !== undefined)
  expect(state['error']).toMatchObject({ code: 'ERR_RUNTIME_FAILED' })
  for (const text of focused.texts) expect(text).not.toContain('5ecret')
  await focused.close()
})
