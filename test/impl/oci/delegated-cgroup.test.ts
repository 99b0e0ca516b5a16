import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { defaultSpec, type DefaultSpecOptions } from '../../../src/bundle/default-spec.ts'
import type { OciLinuxResources } from '../../../src/bundle/oci-spec.ts'
import { Container } from '../../../src/container.ts'
import { isOciError } from '../../../src/errors/index.ts'
import { checkDelegatedCgroup } from '../../../src/impl/oci/delegated-cgroup.ts'
import { makeTempRoot } from '../../support/temp-root.ts'

const container = new Container({ id: 'c', bundlePath: '/b' })
const place = { paths: { configFile: '/b/config.json' } }
const memoryLimitBytes = 2 ** 26

interface Group {
  readonly processes?: string
  readonly controllers?: string
}

/** A tree as the kernel shows it, with the group of a service and, in it, that of its supervisor. */
function openTree({ processes = '', controllers = 'cpu memory pids' }: Group = {}) {
  const mountPoint = makeTempRoot()
  const service = join(mountPoint, 'agent.service')
  mkdirSync(join(service, 'supervisor'), { recursive: true })
  writeFileSync(join(service, 'cgroup.procs'), processes)
  writeFileSync(join(service, 'cgroup.controllers'), `${controllers}\n`)
  return { mountPoint, root: '/', controllers: [''] }
}

function check(
  tree: ReturnType<typeof openTree>,
  options: Partial<DefaultSpecOptions>,
  { userId = 1000, resources }: { userId?: number; resources?: OciLinuxResources } = {},
): Promise<void> {
  const spec = defaultSpec({ rootfs: '/rootfs', args: ['/bin/true'], ...options })
  if (resources !== undefined) spec.linux = { ...spec.linux, resources }
  const ownPath = '/agent.service/supervisor'
  return checkDelegatedCgroup(container, place, spec, { mounts: [tree], userId, ownPath })
}

async function expectRefusal(attempt: Promise<void>, field: string, words: RegExp): Promise<void> {
  const error: unknown = await attempt.catch((reason: unknown) => reason)
  if (!isOciError(error)) throw new Error(`no refusal but ${String(error)}`)
  expect(error).toMatchObject({ code: 'ERR_BUNDLE', field, file: '/b/config.json', containerId: 'c' })
  expect(error.message).toMatch(words)
}

it('limits without a path are refused: crun would leave them out without a word', async () => {
  await expectRefusal(
    check(openTree(), { memoryLimitBytes }),
    'linux.cgroupsPath',
    /absolute path .* user 1000, since linux\.resources has limits \(memory\)/,
  )
  await expect(check(openTree(), {})).resolves.toBeUndefined()
})

it('a path in the form of systemd is refused', async () => {
  await expectRefusal(
    check(openTree(), { cgroupsPath: 'user.slice:crio:c' }),
    'linux.cgroupsPath',
    /absolute path .* it is "user\.slice:crio:c"/,
  )
})

it('a path below the group of the supervisor’s service is not, with limits or without', async () => {
  const cgroupsPath = '/agent.service/c'
  await expect(check(openTree(), { cgroupsPath, memoryLimitBytes })).resolves.toBeUndefined()
  await expect(check(openTree(), { cgroupsPath: '/agent.service/pods/c' })).resolves.toBeUndefined()
})

it('a path elsewhere is refused, naming what is to be delegated', async () => {
  await expectRefusal(
    check(openTree(), { cgroupsPath: '/c' }),
    'linux.cgroupsPath',
    /\/c must be in a cgroup that is delegated to user 1000.*Delegate=yes/,
  )
})

it('a path in a group with processes is refused, naming one: nobody can have controllers there', async () => {
  const tree = openTree({ processes: '41\n42\n' })
  await expectRefusal(
    check(tree, { cgroupsPath: '/agent.service/c' }),
    'linux.cgroupsPath',
    /agent\.service has pid 41: move them to a group below it/,
  )
})

it.each<[string, OciLinuxResources]>([
  ['memory', { memory: { limit: memoryLimitBytes } }],
  ['cpu', { cpu: { quota: 50_000 } }],
  ['cpuset', { cpu: { cpus: '0' } }],
  ['io', { blockIO: { weight: 10 } }],
])('limits that need %s are refused where that is not delegated', async (controller, resources) => {
  const cgroupsPath = '/agent.service/c'
  await expectRefusal(
    check(openTree({ controllers: 'pids' }), { cgroupsPath }, { resources }),
    'linux.resources',
    new RegExp(`no limits that need ${controller}:`),
  )
  const all = openTree({ controllers: 'cpuset cpu io memory' })
  await expect(check(all, { cgroupsPath }, { resources })).resolves.toBeUndefined()
})

it('nothing is checked for root, nor on cgroup v1', async () => {
  await expect(check(openTree(), { memoryLimitBytes }, { userId: 0 })).resolves.toBeUndefined()
  const tree = { ...openTree(), controllers: ['memory'] }
  await expect(check(tree, { memoryLimitBytes })).resolves.toBeUndefined()
})
