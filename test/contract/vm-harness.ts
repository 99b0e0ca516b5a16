/** RuntimeVM behind the façade on this host: containerd's shim for runc, with runc or crun below, state on disk. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { defineConfig, Runtime, type CgroupManager, type Container } from '../../src/index.ts'
import { makeRootfs } from '../support/rootfs.ts'
import { makeTempRoot } from '../support/temp-root.ts'
import type { ContractHarness, WorldState } from './harness.ts'
import { catches, freezerOf, kill, logsOnDisk, makeHostContainer, worldOf } from './oci-harness.ts'

const shim = '/usr/bin/containerd-shim-runc-v2'
const programs = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const

export function openVmHarness(
  below: keyof typeof programs,
  cgroupManager: CgroupManager = 'cgroupfs',
): ContractHarness {
  const root = makeTempRoot()
  const rootfs = makeRootfs(root)
  const config = defineConfig({
    defaultRuntime: 'shim',
    runtimes: { shim: { runtimeType: 'vm', runtimePath: shim, ociRuntimePath: programs[below] } },
    cgroupManager,
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  })
  // Below the namespace of containerd that the containers are in.
  const runtimeRoot = join(config.runtimes['shim']?.runtimeRoot ?? '', 'default')
  return {
    hasMemoryLimits: true,
    openRuntime: (options) => Runtime.open(config, options),
    makeContainer: (request) => makeHostContainer(root, rootfs, request, cgroupManager),
    world: (container): WorldState => worldOf(runtimeRoot, container.id),
    killMonitor: (container) => {
      kill(shimPid(container))
    },
    killInit: (container) => {
      if (container.state.pid > 1) kill(container.state.pid)
    },
    startInit: ({ id }) => {
      execFileSync(programs[below], ['--root', runtimeRoot, 'start', id])
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

const notesSchema = z.object({ shim: z.object({ pid: z.number() }) })

function shimPid(container: Container): number {
  const notes: unknown = JSON.parse(readFileSync(join(container.dir, 'runtime-vm.json'), 'utf8'))
  return notesSchema.parse(notes).shim.pid
}
