/** RuntimeOCI behind the façade on this host: real conmon, real crun or runc, state on disk. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import {
  Container,
  defaultSpec,
  defineConfig,
  joinLogLines,
  readContainerLog,
  Runtime,
  writeBundle,
  type CgroupManager,
} from '../../src/index.ts'
import { killProcess, processState, readIdentitySync } from '../../src/impl/process-identity.ts'
import { entriesOf } from '../support/log-entries.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import type { ContainerRequest, ContractHarness, WorldState } from './harness.ts'

const programs = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const
const SIGKILL = 9

export function openOciHarness(
  handler: keyof typeof programs,
  cgroupManager: CgroupManager = 'cgroupfs',
): ContractHarness {
  const root = makeTempRoot()
  const rootfs = makeRootfs(root)
  const config = defineConfig({
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath: programs[handler] } },
    cgroupManager,
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  })
  const runtimeRoot = config.runtimes[handler]?.runtimeRoot ?? ''
  return {
    hasMemoryLimits: true,
    openRuntime: (options) => Runtime.open(config, options),
    makeContainer: (request) => makeHostContainer(root, rootfs, request, cgroupManager),
    world: (container): WorldState => worldOf(runtimeRoot, container.id),
    killMonitor: (container) => {
      kill(Number(readFileSync(join(container.bundlePath, 'conmon-pidfile'), 'utf8')))
    },
    killInit: (container) => {
      kill(container.state.pid)
    },
    startInit: ({ id }) => {
      execFileSync(programs[handler], ['--root', runtimeRoot, 'start', id])
    },
    catches: (container, signal) =>
      worldOf(runtimeRoot, container.id) === 'running' && catches(container.state.pid, signal),
    freeze: (container) => {
      const { file, words } = freezerOf(container.state.pid)
      writeFileSync(file, words.freeze)
    },
    thaw: (container) => {
      const { file, words } = freezerOf(container.state.pid)
      writeFileSync(file, words.thaw)
    },
    ...logsOnDisk,
    close: () => Promise.resolve(),
  }
}

/** The form that each manager of cgroups takes. */
const cgroupsPaths: Readonly<Record<CgroupManager, (id: string) => string>> = {
  cgroupfs: (id) => `/${id}`,
  systemd: (id) => `system.slice:test:${id}`,
}

/** A container of this host with its bundle. */
export async function makeHostContainer(
  root: string,
  rootfs: string,
  { args, memoryLimitBytes, options }: ContainerRequest,
  cgroupManager: CgroupManager = 'cgroupfs',
): Promise<Container> {
  const id = options?.id ?? makeContainerId()
  const bundlePath = join(root, makeContainerId('bundle'))
  const memory = memoryLimitBytes === undefined ? {} : { memoryLimitBytes }
  const terminal = options?.terminal === true
  await writeBundle(
    bundlePath,
    defaultSpec({
      rootfs,
      args: [...args],
      cgroupsPath: cgroupsPaths[cgroupManager](id),
      terminal,
      ...memory,
    }),
  )
  return new Container({ bundlePath, ...options, id })
}

/** A log that is a file, and the one before it. */
export const logsOnDisk: Pick<ContractHarness, 'moveLog' | 'logs'> = {
  moveLog: ({ logPath }) => {
    renameSync(logPath, `${logPath}.1`)
  },
  logs: ({ logPath }) => Promise.all([`${logPath}.1`, logPath].filter(existsSync).map(textOfLog)),
}

export function kill(pid: number): void {
  const identity = readIdentitySync(pid)
  if (identity !== undefined) killProcess(identity, SIGKILL)
}

async function textOfLog(path: string): Promise<string> {
  let text = ''
  for await (const { content } of entriesOf(joinLogLines(readContainerLog(path))))
    text += `${content.toString()}\n`
  return text
}

/** Read from the runtime's own state and from /proc: never from what the library says. */
export function worldOf(runtimeRoot: string, id: string): WorldState {
  const pid = initPid(runtimeRoot, id)
  if (pid === undefined) return 'absent'
  const identity = readIdentitySync(pid)
  if (identity === undefined || processState(identity) === 'gone') return 'dead'
  if (freezerOf(pid).isFrozen()) return 'frozen'
  const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  return /crun|runc/.test(command.split('\0')[0] ?? '') ? 'created' : 'running'
}

function initPid(runtimeRoot: string, id: string): number | undefined {
  // crun: status { pid }; runc: state.json { init_process_pid }.
  for (const [file, key] of [
    ['status', 'pid'],
    ['state.json', 'init_process_pid'],
  ] as const) {
    try {
      const state: unknown = JSON.parse(readFileSync(join(runtimeRoot, id, file), 'utf8'))
      return z.object({ [key]: z.number() }).parse(state)[key]
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
  return undefined
}

interface Freezer {
  /** Where a freeze is asked for. */
  readonly file: string
  readonly words: { readonly freeze: string; readonly thaw: string }
  isFrozen(): boolean
}

export function freezerOf(pid: number): Freezer {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')
  const path = lines.find((line) => line.includes(':freezer:'))?.split(':')[2]
  if (path !== undefined) {
    const file = join('/sys/fs/cgroup/freezer', path, 'freezer.state')
    const isFrozen = (): boolean => readFileSync(file, 'utf8').startsWith('FROZEN')
    return { file, words: { freeze: 'FROZEN', thaw: 'THAWED' }, isFrozen }
  }
  const unified = lines.find((line) => line.startsWith('0::'))?.slice('0::'.length) ?? ''
  const directory = join('/sys/fs/cgroup', unified)
  return {
    file: join(directory, 'cgroup.freeze'),
    words: { freeze: '1', thaw: '0' },
    isFrozen: () => readFileSync(join(directory, 'cgroup.events'), 'utf8').includes('frozen 1'),
  }
}

export function catches(pid: number, signal: number): boolean {
  const [, mask = '0'] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n
}
