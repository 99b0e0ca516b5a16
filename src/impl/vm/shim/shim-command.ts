/**
 * How a shim is started: its arguments, its environment, and what it answers. As CRI-O does it.
 *
 * Deliberately not here: whether the daemon that it leaves behind lives. It answers with an address in any case.
 */
import { OciError } from '../../../errors/index.ts'

/** The namespace of containerd that all our containers are in, as CRI-O's are. */
export const shimNamespace = 'default'

const answerVersionMax = 2
/** sizeof(sockaddr_un.sun_path) on Linux, less its last zero. */
const socketPathMaxBytes = 107
const shownMaxLength = 200

export interface ShimCommand {
  readonly shimPath: string
  readonly containerId: string
  readonly debug: boolean
}

/** The publish binary is never run by shims that publish over ttrpc, but it has to be named. */
export function shimStartArguments({
  shimPath,
  containerId,
  debug,
}: ShimCommand): readonly [string, ...string[]] {
  return [
    shimPath,
    '-namespace',
    shimNamespace,
    '-address',
    '',
    '-publish-binary',
    '/bin/true',
    '-id',
    containerId,
    ...(debug ? ['-debug'] : []),
    'start',
  ]
}

/**
 * TTRPC_ADDRESS is always said: a shim that inherits one that nobody listens at is wedged after 128 events. `eventsPath`
 * empty: events go nowhere, without harm.
 */
export function shimEnvironment(
  runtimeEnv: Readonly<Record<string, string>>,
  eventsPath: string,
): Record<string, string> {
  return {
    ...runtimeEnv,
    GOMAXPROCS: '2',
    MAX_SHIM_VERSION: '2',
    GRPC_ADDRESS: '',
    NAMESPACE: shimNamespace,
    TTRPC_ADDRESS: eventsPath,
  }
}

/**
 * The path of the socket that the answer of `start` names, as bare text or as JSON. ERR_UNSUPPORTED for a version or a
 * protocol that we do not speak, ERR_MONITOR_FAILED for what is no answer.
 */
export function socketOfAnswer(text: string): string {
  return socketPath(addressOf(text.trim()), text)
}

function addressOf(answer: string): string {
  if (!answer.startsWith('{')) return answer
  const { version, address, protocol } = parsed(answer)
  if (typeof version !== 'number' || typeof address !== 'string') throw noAnswer(answer)
  if (version > answerVersionMax) {
    const message = `the shim speaks version ${version}; this library speaks version ${answerVersionMax}`
    throw new OciError('ERR_UNSUPPORTED', message, { field: 'runtimePath' })
  }
  if (protocol !== undefined && protocol !== '' && protocol !== 'ttrpc') {
    const message = `the shim speaks ${JSON.stringify(protocol)}; this library speaks ttrpc`
    throw new OciError('ERR_UNSUPPORTED', message, { field: 'runtimePath' })
  }
  return address
}

function parsed(answer: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(answer)
    if (typeof value === 'object' && value !== null) return { ...value }
  } catch {
    // Said below, with the text.
  }
  throw noAnswer(answer)
}

function socketPath(address: string, answer: string): string {
  const path = address.replace(/^unix:\/\//, '')
  const isPath = /^\/[^\0\n]*$/.test(path)
  if (!isPath) throw noAnswer(answer)
  if (Buffer.byteLength(path) <= socketPathMaxBytes) return path
  throw new OciError('ERR_MONITOR_FAILED', `the shim's socket path is longer than a socket's can be: ${path}`)
}

function noAnswer(answer: string): OciError {
  const said = answer.trim() === '' ? 'nothing' : JSON.stringify(answer.slice(0, shownMaxLength))
  return new OciError(
    'ERR_MONITOR_FAILED',
    `the shim must answer with the address of its socket; it said ${said}`,
  )
}
