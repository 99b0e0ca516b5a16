/**
 * An OCI spec for people who have none yet: a root filesystem and a command are enough.
 *
 * Deliberately not here: seccomp and AppArmor profiles, devices, user namespaces, bind mounts. Who needs them changes the
 * spec that `defaultSpec` returns, it is plain data.
 */
import { checkOptionsObject, OciError, publicCall } from '../errors/index.ts'
import type { OciLinuxResources, OciMount, OciProcess, OciSpec } from './oci-spec.ts'
import { hostLimitsSwap } from './swap-limit.ts'

export interface DefaultSpecOptions {
  /** Absolute path of the root filesystem. */
  readonly rootfs: string
  readonly args: readonly string[]
  /** Names and values, or `NAME=value` strings. A PATH is added when there is none. */
  readonly env?: Readonly<Record<string, string>> | readonly string[]
  /** Absolute path inside the container; default `/`. */
  readonly cwd?: string
  /** Limit of memory and swap together, so that the kernel kills at the limit instead of swapping. */
  readonly memoryLimitBytes?: number
  readonly terminal?: boolean
  readonly readonlyRootfs?: boolean
  readonly hostname?: string
  /** Absolute, or `slice:prefix:name` for the systemd cgroup manager; default: the runtime's choice. */
  readonly cgroupsPath?: string
  /** Ids inside the container; default root. */
  readonly user?: { readonly uid: number; readonly gid: number; readonly additionalGids?: readonly number[] }
}

/** CRI-O's default set: enough for common images; no raw sockets, no device nodes, no chroot. */
const capabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'KILL',
]

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Files of /proc and /sys that tell of the host or of its hardware. */
const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]

/** Files of /proc that change the host. */
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/**
 * A spec that runs `args` in `rootfs` with crun and runc, on cgroup v1 and v2, started by root: own pid, network, ipc,
 * uts and mount namespaces, a small set of capabilities, no new privileges. The network namespace has only a loopback
 * interface. Pure but for one thing: with `memoryLimitBytes` it looks whether this host can limit swap.
 * Throws ERR_INVALID_ARGUMENT naming the option that is malformed.
 */
export function defaultSpec(options: DefaultSpecOptions): OciSpec {
  return publicCall({ operation: 'defaultSpec' }, () => {
    checkOptionsObject(options, 'defaultSpec')
    return specOf(options)
  })
}

function specOf(options: DefaultSpecOptions): OciSpec {
  return {
    ociVersion: '1.0.2',
    process: defaultProcess(options),
    root: { path: validRootfs(options.rootfs), readonly: options.readonlyRootfs ?? false },
    ...(options.hostname === undefined ? {} : { hostname: validHostname(options.hostname) }),
    mounts: defaultMounts(),
    linux: {
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      ...(options.cgroupsPath === undefined ? {} : { cgroupsPath: validCgroupsPath(options.cgroupsPath) }),
      resources: defaultResources(options.memoryLimitBytes),
      maskedPaths: [...maskedPaths],
      readonlyPaths: [...readonlyPaths],
    },
  }
}

function defaultProcess(options: DefaultSpecOptions): OciProcess {
  const names = capabilities.map((name) => `CAP_${name}`)
  return {
    terminal: options.terminal ?? false,
    user: validUser(options.user),
    args: validArgs(options.args),
    env: validEnv(options.env, options.terminal ?? false),
    cwd: validCwd(options.cwd ?? '/'),
    // Nothing inheritable (CVE-2022-27649): an exec in the container would hand it on to any file with capabilities.
    capabilities: {
      bounding: [...names],
      effective: [...names],
      permitted: [...names],
      inheritable: [],
      ambient: [],
    },
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 1024 }],
    noNewPrivileges: true,
  }
}

function defaultMounts(): OciMount[] {
  return [
    mount('/proc', 'proc', 'proc', 'nosuid,noexec,nodev'),
    mount('/dev', 'tmpfs', 'tmpfs', 'nosuid,strictatime,mode=755,size=65536k'),
    mount('/dev/pts', 'devpts', 'devpts', 'nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5'),
    mount('/dev/shm', 'tmpfs', 'shm', 'nosuid,noexec,nodev,mode=1777,size=65536k'),
    mount('/dev/mqueue', 'mqueue', 'mqueue', 'nosuid,noexec,nodev'),
    mount('/sys', 'sysfs', 'sysfs', 'nosuid,noexec,nodev,ro'),
  ]
}

function mount(destination: string, type: string, source: string, options: string): OciMount {
  return { destination, type, source, options: options.split(',') }
}

function defaultResources(memoryLimitBytes: number | undefined): OciLinuxResources {
  // The runtimes allow /dev/null and its kind by themselves.
  const devices = [{ allow: false, access: 'rwm' }]
  if (memoryLimitBytes === undefined) return { devices }
  const limit = validMemoryLimit(memoryLimitBytes)
  return { devices, memory: hostLimitsSwap() ? { limit, swap: limit } : { limit } }
}

function validRootfs(rootfs: string): string {
  if (isText(rootfs) && rootfs.startsWith('/')) return rootfs
  throw invalid('rootfs', rootfs, 'must be an absolute path')
}

function validArgs(args: readonly string[]): string[] {
  if (!isList(args) || args.length === 0) throw invalid('args', undefined, 'must name a command')
  for (const [index, arg] of args.entries()) {
    if (!isText(arg)) throw invalid(`args.${index}`, arg, 'must be a string without NUL')
  }
  if (args[0] === '') throw invalid('args.0', '', 'must be a command')
  return [...args]
}

function validEnv(given: DefaultSpecOptions['env'], terminal: boolean): string[] {
  const env = isList(given) ? [...given] : entriesOf(given)
  for (const entry of env) {
    if (!isText(entry)) throw invalid('env', entry, 'must consist of strings without NUL')
    if (!/^[^=]+=/.test(entry)) throw invalid('env', entry, 'must have the form NAME=value')
  }
  const has = (name: string) => env.some((entry) => entry.startsWith(`${name}=`))
  const added = [...(has('PATH') ? [] : [defaultPath]), ...(terminal && !has('TERM') ? ['TERM=xterm'] : [])]
  return [...added, ...env]
}

/** `Array.isArray` does not narrow readonly arrays. */
function isList(given: unknown): given is readonly string[] {
  return Array.isArray(given)
}

function entriesOf(env: Readonly<Record<string, string>> | undefined): string[] {
  return Object.entries(env ?? {}).map(([name, value]) => {
    if (name.includes('=')) throw invalid('env', name, "must have names without '='")
    if (!isText(value)) throw invalid('env', value, 'must consist of strings without NUL')
    return `${name}=${value}`
  })
}

function validCwd(cwd: string): string {
  if (!isText(cwd) || !cwd.startsWith('/')) throw invalid('cwd', cwd, 'must be an absolute path')
  // CVE-2024-21626: a working directory that leads through a leaked descriptor of the runtime is outside the container.
  if (/^\/+proc(\/|$)/.test(cwd)) throw invalid('cwd', cwd, 'must not be in /proc')
  return cwd
}

function validUser(user: DefaultSpecOptions['user']): OciProcess['user'] {
  if (user === undefined) return { uid: 0, gid: 0 }
  const { uid, gid, additionalGids = [] } = user
  return {
    uid: validUserId('user.uid', uid),
    gid: validUserId('user.gid', gid),
    ...(additionalGids.length === 0
      ? {}
      : { additionalGids: additionalGids.map((id) => validUserId('user.additionalGids', id)) }),
  }
}

/** The highest id is the kernel's "no change". */
function validUserId(field: string, id: number): number {
  if (Number.isInteger(id) && id >= 0 && id < 0xffff_ffff) return id
  throw invalid(field, id, 'must be a whole number from 0 to 4294967294')
}

function validHostname(hostname: string): string {
  if (isText(hostname) && /^[A-Za-z0-9._-]{1,64}$/.test(hostname)) return hostname
  throw invalid('hostname', hostname, 'must be 1 to 64 letters, digits, dots, underscores and hyphens')
}

/** Relative paths mean different groups to crun and runc, and an empty one makes crun fail. */
function validCgroupsPath(path: string): string {
  const absolute = isText(path) && path.startsWith('/') && path !== '/' && !path.split('/').includes('..')
  if (absolute || (isText(path) && /^[^/:]*:[^/:]*:[^/:]+$/.test(path))) return path
  throw invalid('cgroupsPath', path, "must be an absolute path without '..', or slice:prefix:name")
}

function validMemoryLimit(bytes: number): number {
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
  throw invalid('memoryLimitBytes', bytes, 'must be a positive whole number of bytes')
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0')
}

function invalid(field: string, value: unknown, rule: string): OciError {
  const shown = value === undefined ? '' : ` ${shortened(value)}`
  return new OciError('ERR_INVALID_ARGUMENT', `${field}${shown} ${rule}`, { field, operation: 'defaultSpec' })
}

function shortened(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number'
    ? JSON.stringify(value).slice(0, 200)
    : `of type ${typeof value}`
}
