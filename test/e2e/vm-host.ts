/** RuntimeVM on this host: containerd's shim for runc, a real launcher, exit files, and bundles with a busybox. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Config } from '../../src/config/config.ts'
import { defineConfig } from '../../src/config/define-config.ts'
import type { Container, ContainerOptions } from '../../src/container.ts'
import { createRuntimeVm } from '../../src/impl/vm/runtime-vm.ts'
import {
  cgroupsOf,
  createEffect,
  openHost,
  processesNaming,
  type OciHost,
  type RuntimeName,
} from './oci-host.ts'

const shimPath = '/usr/bin/containerd-shim-runc-v2'
const runtimePaths = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const

/** A façade's configuration: everything below `root`, runc below the shim. */
export function vmConfig(root: string): Config {
  return defineConfig({
    defaultRuntime: 'shim',
    runtimes: { shim: { runtimeType: 'vm', runtimePath: shimPath, ociRuntimePath: runtimePaths.runc } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
  })
}

export interface VmHost extends OciHost {
  /** A container of a shell script that was created, not started. */
  created(script: string, options?: Partial<ContainerOptions>): Promise<Container>
}

export async function openVmHost(below: RuntimeName = 'runc'): Promise<VmHost> {
  const runtimes = { shim: { runtimeType: 'vm', runtimePath: shimPath, ociRuntimePath: runtimePaths[below] } }
  const { runtimes: handlers } = defineConfig({ defaultRuntime: 'shim', runtimes })
  const host = await openHost(below, { defaultRuntime: 'shim', runtimes: handlers }, createRuntimeVm)
  return {
    ...host,
    created: async (script, options = {}) => {
      const container = await host.container(['/bin/sh', '-c', script], {
        container: options,
        change: (spec) => {
          if (spec.process !== undefined) spec.process.terminal = options.terminal === true
        },
      })
      await host.impl.create(container, createEffect)
      return container
    },
  }
}

const notesSchema = z.object({ shim: z.object({ pid: z.number() }), socketPath: z.string() })

/** The shim of a container that exists. */
export function shimOf(container: Container): { readonly pid: number; readonly socketPath: string } {
  const notes: unknown = JSON.parse(readFileSync(join(container.dir, 'runtime-vm.json'), 'utf8'))
  const { shim, socketPath } = notesSchema.parse(notes)
  return { pid: shim.pid, socketPath }
}

/** Where a shim listens for a container that is in no group. */
export function socketPathOf(containerId: string): string {
  const name = createHash('sha256').update(`default/${containerId}`).digest('hex')
  return `/run/containerd/s/${name}`
}

/** Whatever of this host bears the container's id, but its bundle, its log and its directory. */
export function vmTraces(
  { runDir, runtimeRoot }: { runDir: string; runtimeRoot: string },
  container: Container,
): string[] {
  const { id, bundlePath, dir } = container
  const made = ['address', 'log', 'log.json', 'init.pid', 'options.json', 'runtime', 'shim-binary-path']
  const files = [
    ...made.map((name) => `${bundlePath}/${name}`),
    `${dir}/runtime-vm.json`,
    `${runDir}/vm/streams/${id}`,
    `${runtimeRoot}/default/${id}`,
    socketPathOf(id),
  ].filter((file) => existsSync(file))
  const pidFiles = readdirSync(bundlePath).filter((name) => name.endsWith('.pid'))
  return [...files, ...pidFiles, ...cgroupsOf(id), ...processesNaming(id)]
}
