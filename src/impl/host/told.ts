/** What an effect of a container's runtime rejects with. */
import type { Container } from '../../container.ts'
import { inContext } from '../../errors/index.ts'

/** Errors name the public verb that an effect does the work of, and the container, however deep they come from. */
export async function told<T>(
  operation: string | undefined,
  { id }: Container,
  effect: Promise<T>,
): Promise<T> {
  try {
    return await effect
  } catch (error) {
    throw inContext(error, { containerId: id, operation })
  }
}
