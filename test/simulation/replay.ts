/** Runs of fast-check that can be run again: by the seed and the path that a failure prints. */
import type { Parameters } from 'fast-check'

export function replayOptions(): Pick<Parameters, 'seed' | 'path'> {
  const seed = process.env['OCI_SUPERVISOR_SEED']
  const path = process.env['OCI_SUPERVISOR_SEED_PATH']
  return {
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  }
}
