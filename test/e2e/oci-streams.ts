/** The stream effects of RuntimeOCI on a test's host, with a launcher of their own. */
import { onTestFinished } from 'vitest'
import { openLauncher, type Launcher } from '../../src/impl/launcher/launcher.ts'
import { openNotebook } from '../../src/impl/oci/notes.ts'
import { portForward } from '../../src/impl/host/port-forward.ts'
import { reopenLog } from '../../src/impl/oci/reopen-log.ts'
import type { OciWorld } from '../../src/impl/oci/world.ts'
import type { StreamEffects } from '../../src/impl/streams-port.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import type { OciHost } from './oci-host.ts'

export interface StreamsOnHost extends StreamEffects {
  readonly launcher: Launcher
}

export async function openStreams({ config }: OciHost, environment = process.env): Promise<StreamsOnHost> {
  const launcher = await openLauncher({ logger: silentLogger })
  onTestFinished(() => launcher.close())
  const logger = silentLogger
  const world = {
    config,
    launcher,
    logger,
    notebook: openNotebook(logger),
    environment,
    programs: new Map(),
    adopted: new WeakMap(),
  }
  return {
    launcher,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it uses no more of the world than this
    reopenLog: (container, options) => reopenLog(world as unknown as OciWorld, container, options),
    portForward: (container, init, request, options) => portForward(world, container, init, request, options),
  }
}
