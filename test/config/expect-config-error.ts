import { expect } from 'vitest'
import { isOciError, type OciError } from '../../src/errors/index.ts'

/** The ERR_CONFIG that `run` throws. */
export function configErrorOf(run: () => unknown): OciError {
  try {
    run()
  } catch (error) {
    return asConfigError(error)
  }
  return expect.fail('did not throw')
}

export async function configRejectionOf(promise: Promise<unknown>): Promise<OciError> {
  return promise.then(() => expect.fail('did not reject'), asConfigError)
}

function asConfigError(error: unknown): OciError {
  if (!isOciError(error)) throw error
  expect(error.code).toBe('ERR_CONFIG')
  return error
}
