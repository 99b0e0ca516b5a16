/** Attaching to containers of an {@link OciHost}: a bridge and a way to create and start. */
import { onTestFinished } from 'vitest'
import type { Container, ContainerOptions } from '../../src/container.ts'
import { openAttachBridge, type AttachBridge } from '../../src/impl/attach-bridge/client.ts'
import type { AttachOptions, AttachSession } from '../../src/impl/attach-port.ts'
import { openLauncher } from '../../src/impl/launcher/launcher.ts'
import { attach, type AttachWorld } from '../../src/impl/oci/attach.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import { createEffect, effect, noAbort, openHost, type OciHost, type RuntimeName } from './oci-host.ts'

export interface AttachHost extends OciHost {
  readonly bridge: AttachBridge
  attach(container: Container, options?: AttachOptions, signal?: AbortSignal): Promise<AttachSession>
  /** A container of a shell script that was created, not started. */
  created(script: string, options?: Partial<ContainerOptions>): Promise<Container>
  start(container: Container): Promise<void>
}

export async function openAttachHost(runtime: RuntimeName): Promise<AttachHost> {
  const host = await openHost(runtime)
  const launcher = await openLauncher({ logger: silentLogger })
  const bridge = openAttachBridge({
    launcher,
    logger: silentLogger,
    directory: `${host.config.runDir}/bridge`,
  })
  onTestFinished(async () => {
    await bridge.close()
    await launcher.close()
  })
  const world: AttachWorld = { config: host.config, logger: silentLogger, attachBridge: bridge }
  return {
    ...host,
    bridge,
    attach: (container, options = {}, signal = noAbort) => attach(world, container, options, { signal }),
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
    start: (container) => host.impl.start(container, effect),
  }
}
