/** The directories that all containers of RuntimeOCI share. */
import type { Config } from '../../config/config.ts'
import { inContext } from '../../errors/index.ts'
import { ensurePrivateDirectory } from '../../files.ts'

const directories = ['runDir', 'containerExitsDir', 'containerAttachSocketDir'] as const

/**
 * Makes them if they are missing, and sees that they are private and can be written: conmon does not notice an exit
 * directory that is missing or read-only at all, and the container's exit is lost. Asked when the runtime opens and before
 * every create, since a directory can vanish meanwhile. Throws ERR_INVALID_ARGUMENT or ERR_IO with the setting as `field`.
 */
export async function ensureOciDirectories(
  config: Pick<Config, (typeof directories)[number]>,
): Promise<void> {
  for (const field of directories) {
    try {
      await ensurePrivateDirectory(config[field], field)
    } catch (error) {
      throw inContext(error, { operation: 'open' })
    }
  }
}
