/** The library's runtime over conmon and crun or runc, or over the simulated one: the rest of the demo cannot tell. */
import { join } from 'node:path'
import { defineConfig, OciError, Runtime, type Container } from 'oci-supervisor'
import { SimulatedRuntime } from 'oci-supervisor/testing'
import type { RuntimeChoice } from './host.ts'
import { isInRootfs } from './rootfs.ts'

/** Opens a runtime that keeps everything it writes below `root`. */
export async function openRuntime(choice: RuntimeChoice, root: string): Promise<Runtime> {
  const directories = { stateDir: join(root, 'state'), runDir: join(root, 'run') }
  if (choice.kind === 'real') {
    const { name, path } = choice
    const handler = { runtimePath: path, runtimeRoot: join(root, 'runtime') }
    return Runtime.open(defineConfig({ ...directories, defaultRuntime: name, runtimes: { [name]: handler } }))
  }
  const config = defineConfig({
    ...directories,
    defaultRuntime: 'sim',
    runtimes: { sim: { runtimeType: 'sim' } },
  })
  return Runtime.open(config, { implementations: { sim: simulatedRuntime } })
}

/**
 * The simulated runtime understands simple shell scripts by itself. It has no files and no memory, so what comes of a
 * missing command and of a buffer larger than the limit has to be said.
 */
function simulatedRuntime(): SimulatedRuntime {
  const simulated = new SimulatedRuntime()
  simulated.inject((container) => !isInRootfs(commandOf(container)), {
    effect: 'create',
    fault: 'fail',
    error: new OciError('ERR_COMMAND_NOT_FOUND', 'the command is not in the simulated root filesystem'),
    times: Number.POSITIVE_INFINITY,
  })
  simulated.program(hasMemoryLimit, { oomAfterMs: 200 })
  simulated.program((container) => commandOf(container) === 'true', { exitsBeforeStart: true })
  return simulated
}

function commandOf(container: Container): string {
  return container.spec?.process?.args?.[0] ?? ''
}

function hasMemoryLimit(container: Container): boolean {
  return container.spec?.linux?.resources?.memory?.limit !== undefined
}
