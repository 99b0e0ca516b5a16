/** What must be true of a container's bundle and log path before anything is done with them. */
import { lstat, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { bundleConfigMaxBytes, readBundleSpec } from '../../bundle/bundle.ts'
import type { OciSpec } from '../../bundle/oci-spec.ts'
import { isSliceName } from '../../config/slice-name.ts'
import type { Container } from '../../container.ts'
import { errnoOf, type ErrorCode, OciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'

/**
 * conmon appends to whatever is there and renames a new file over it when the log is reopened or full: neither must
 * happen to a device, a FIFO (its open would wait for a reader) or the target of a link.
 */
export async function checkLogPath(container: Container): Promise<boolean> {
  const { logPath } = container
  const wrong = (rule: string) =>
    refusal(container, 'ERR_INVALID_ARGUMENT', `log path ${logPath} ${rule}`, 'logPath')
  // conmon takes what is before a colon for the name of a log driver.
  if (logPath.includes(':')) throw wrong('must not contain a colon')
  const directory = await statOrAbsent(dirname(logPath), stat)
  if (directory?.isDirectory() !== true) throw wrong('must be in a directory that exists')
  const log = await statOrAbsent(logPath, lstat)
  if (log !== undefined && !log.isFile()) throw wrong('must be a regular file, not a link or a device')
  return log !== undefined
}

/**
 * The runtime runs the bundle's config.json, whatever `setSpec` was given: that one serves our own decisions, and we never
 * write the file. So it has to be there in either case.
 */
export async function checkBundle(
  container: Container,
  { paths }: { readonly paths: { readonly configFile: string } },
): Promise<OciSpec> {
  const spec = await readBundleSpec(container)
  const config = await statOrAbsent(paths.configFile, lstat)
  if (config?.isFile() !== true || config.size > bundleConfigMaxBytes) {
    const message = `${paths.configFile} must be a regular file of at most ${bundleConfigMaxBytes} bytes: it is what the runtime runs, a spec given by setSpec is not written there`
    throw refusal(container, 'ERR_BUNDLE', message, undefined, paths.configFile)
  }
  // conmon would wait for a terminal that never comes, or the runtime for somebody to take its terminal.
  if ((spec.process?.terminal === true) !== container.terminal) {
    const message = `${paths.configFile}: process.terminal must be ${container.terminal}, as the container's terminal is`
    throw refusal(container, 'ERR_BUNDLE', message, 'process.terminal', paths.configFile)
  }
  await checkNetns(container, paths.configFile, spec)
  return spec
}

/** Ports are forwarded, and found by `netNsPath`, in the container's netns: it has to be where the runtime puts it. */
async function checkNetns(container: Container, configFile: string, spec: OciSpec): Promise<void> {
  const { netns } = container
  if (netns === undefined) return
  const network = spec.linux?.namespaces?.find(({ type }) => type === 'network')
  const path = network === undefined ? '/proc/self/ns/net' : (network.path ?? '')
  if (path === netns || (path !== '' && (await isSameFile(path, netns)))) return
  const shown = network === undefined ? "the host's" : path === '' ? 'one of its own' : path
  const message = `${configFile}: linux.namespaces must have one of type "network" with the path ${netns}, as the container's netns is; it has ${shown}`
  throw refusal(container, 'ERR_BUNDLE', message, 'linux.namespaces', configFile)
}

/** A namespace may have several names: bind mounts, links, one for each of its processes. */
async function isSameFile(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all([statOrAbsent(one, stat), statOrAbsent(other, stat)])
  return first !== undefined && first.ino === second?.ino && first.dev === second.dev
}

/**
 * The kernel lets an ordinary user mount and change root in a user namespace only. The runtimes say so late, and in other
 * words ("mount devpts: Invalid argument").
 */
export function checkUserNamespace(
  container: Container,
  { paths }: { readonly paths: { readonly configFile: string } },
  spec: OciSpec,
  userId = process.geteuid?.() ?? 0,
): void {
  if (userId === 0 || spec.linux?.namespaces?.some(({ type }) => type === 'user') === true) return
  const message = `${paths.configFile}: linux.namespaces must have one of type "user", with uidMappings and gidMappings, where the supervisor is not root; it is user ${userId}`
  throw refusal(container, 'ERR_BUNDLE', message, 'linux.namespaces', paths.configFile)
}

/** Where systemd manages cgroups runc refuses any other form, and crun makes of a path what nobody asked for. */
export function checkCgroupsPath(
  container: Container,
  { paths }: { readonly paths: { readonly configFile: string } },
  spec: OciSpec,
): void {
  const path = spec.linux?.cgroupsPath ?? ''
  const [slice = '', prefix = '', name = '', ...more] = path.split(':')
  const isRight = (slice === '' || isSliceName(slice)) && name !== '' && more.length === 0
  if (path === '' || (isRight && !`${prefix}${name}`.includes('/'))) return
  const message = `${paths.configFile}: linux.cgroupsPath must be empty or slice:prefix:name, such as "machine.slice:crio:${container.id}", where systemd manages cgroups; it is ${JSON.stringify(path)}`
  throw refusal(container, 'ERR_BUNDLE', message, 'linux.cgroupsPath', paths.configFile)
}

/**
 * The system's systemd makes scopes for root ("Permission denied" for others). A user's own is on another bus, which the
 * runtimes of an ordinary user speak to and this library does not.
 */
export function checkSystemdUser(container: Container, userId = process.geteuid?.() ?? 0): void {
  if (userId === 0) return
  const message = `cgroup_manager must be "cgroupfs" where the supervisor is not root: the system's systemd makes no scopes for user ${userId}`
  throw refusal(container, 'ERR_UNSUPPORTED', message, 'cgroupManager')
}

type Stats = Awaited<ReturnType<typeof lstat>>

export async function statOrAbsent(
  path: string,
  look: (path: string) => Promise<Stats>,
): Promise<Stats | undefined> {
  try {
    return await look(path)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    throw ioError('examine', path, error)
  }
}

export function refusal(
  container: Container,
  code: ErrorCode,
  message: string,
  field?: string,
  file?: string,
): OciError {
  return new OciError(code, message, { containerId: container.id, field, file })
}
