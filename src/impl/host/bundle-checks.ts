/** What must be true of a container's bundle and log path before anything is done with them. */
import { lstat, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { bundleConfigMaxBytes, readBundleSpec } from '../../bundle/bundle.ts'
import type { OciSpec } from '../../bundle/oci-spec.ts'
import type { RuntimeHandler } from '../../config/config.ts'
import { isSliceName } from '../../config/slice-name.ts'
import type { Container } from '../../container.ts'
import { errnoOf, type ErrorCode, OciError } from '../../errors/index.ts'
import { ioError } from '../../files.ts'
import { accessRootfs } from './rootfs-access.ts'

/**
 * conmon appends to whatever is there and renames a new file over it when the log is reopened or full: neither must
 * happen to a device, a FIFO (its open would wait for a reader) or the target of a link. What is checked here stays so only
 * where nobody else can make files: not in a directory of another user, or one that everybody can write to, such as /tmp.
 * Deliberately not here: the directories above, of which docs/security.md says whose they have to be.
 */
export async function checkLogPath(container: Container): Promise<boolean> {
  const { logPath } = container
  const wrong = (rule: string) =>
    refusal(container, 'ERR_INVALID_ARGUMENT', `log path ${logPath} ${rule}`, 'logPath')
  // conmon takes what is before a colon for the name of a log driver.
  if (logPath.includes(':')) throw wrong('must not contain a colon')
  const directory = await statOrAbsent(dirname(logPath), stat)
  if (directory?.isDirectory() !== true) throw wrong('must be in a directory that exists')
  if (!isOwn(directory))
    throw wrong(`must be in a directory of ours or of root; it is user ${directory.uid}'s`)
  if ((Number(directory.mode) & 0o002) !== 0)
    throw wrong('must be in a directory that only its owner and group can write to')
  const log = await statOrAbsent(logPath, lstat)
  if (log !== undefined && !log.isFile()) throw wrong('must be a regular file, not a link or a device')
  // A second name makes the log of a container out of any other file of this file system.
  if (log !== undefined && log.nlink > 1) throw wrong('must be a file with one name, not a hard link')
  if (log !== undefined && !isOwn(log))
    throw wrong(`must be a file of ours or of root; it is user ${log.uid}'s`)
  return log !== undefined
}

function isOwn({ uid }: Stats): boolean {
  return uid === 0 || uid === (process.geteuid?.() ?? 0)
}

/**
 * The runtime runs the bundle's config.json, whatever `setSpec` was given: that one serves our own decisions, and we never
 * write the file. So it has to be there in either case.
 */
export async function checkBundle(container: Container, place: BundlePlace): Promise<OciSpec> {
  const { paths } = place
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
  refuseUnsafeAnnotations(container, place, spec)
  await refuseLinkedDev(container, place, spec)
  await checkNetns(container, paths.configFile, spec)
  return spec
}

interface BundlePlace {
  readonly handler: Pick<RuntimeHandler, 'allowedAnnotations'>
  readonly paths: { readonly bundle: string; readonly configFile: string }
}

/** Those that `crun features` and `runc features` call potentially unsafe; a name that ends in a dot is a prefix. */
const unsafeAnnotations = [
  'bundle',
  'module.wasm.image/variant',
  'org.criu.config',
  'org.systemd.property.',
  'run.oci.',
]

/**
 * Annotations by which a specification commands the runtime: hooks of its own, handlers, properties of systemd's units
 * (CVE-2024-3154). Labels of an image end up as annotations, so who writes them need not be who may command.
 */
function refuseUnsafeAnnotations(container: Container, { handler, paths }: BundlePlace, spec: OciSpec): void {
  for (const name of Object.keys(spec.annotations ?? {})) {
    const isUnsafe = unsafeAnnotations.some((unsafe) =>
      unsafe.endsWith('.') ? name.startsWith(unsafe) : name === unsafe,
    )
    if (!isUnsafe || handler.allowedAnnotations.includes(name)) continue
    const message = `${paths.configFile}: the annotation ${JSON.stringify(name)} changes what the runtime does; remove it, or list it in allowed_annotations of the handler`
    throw refusal(container, 'ERR_BUNDLE', message, `annotations.${name}`, paths.configFile)
  }
}

/**
 * A runtime makes the links of /dev by its path in the root file system: where /dev is a link they are made, and a file
 * called ptmx is removed, on the host (CVE-2026-41579, CVE-2026-47766).
 */
async function refuseLinkedDev(container: Container, { paths }: BundlePlace, spec: OciSpec): Promise<void> {
  // A relative path counts from the bundle.
  const rootfs = resolve(paths.bundle, spec.root?.path ?? 'rootfs')
  const dev = join(rootfs, 'dev')
  const stats = await accessRootfs(rootfs, () => statOrAbsent(dev, lstat))
  if (stats?.isSymbolicLink() !== true) return
  const message = `${dev} must be a directory, not a link: runtimes would follow it out of the root file system`
  throw refusal(container, 'ERR_BUNDLE', message, 'root.path', dev)
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
