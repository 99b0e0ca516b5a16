/**
 * Every way an operation of this library can fail. The list is closed: switch over it without a default.
 * What a code means is stated once, here; messages name the thing that is wrong.
 */
export const errorCodes = [
  /** An argument is malformed: an id, a signal, a timeout, a path. `field` names it. */
  'ERR_INVALID_ARGUMENT',
  /** The configuration is malformed or contradicts itself. `field` is the dotted key, `file` the TOML file. */
  'ERR_CONFIG',
  /** No runtime handler of that name is configured. */
  'ERR_UNKNOWN_HANDLER',
  /** A container with this id is registered already. */
  'ERR_CONTAINER_EXISTS',
  /** The container is not registered with this runtime. */
  'ERR_NOT_FOUND',
  /** The command is forbidden in the container's state. `allowed` lists what is permitted. */
  'ERR_WRONG_STATUS',
  /** More commands wait, for this container or for the launcher, than are queued; or no more processes can be started. */
  'ERR_BUSY',
  /** The bundle's config.json is missing, too large, not a regular file or not a usable OCI spec. */
  'ERR_BUNDLE',
  /** The runtime refused to create the container; the message is in the runtime's own words. */
  'ERR_CREATE_FAILED',
  /** The command of the container or exec does not exist in its root filesystem. */
  'ERR_COMMAND_NOT_FOUND',
  /** The command of the container or exec exists but cannot be executed. */
  'ERR_COMMAND_NOT_EXECUTABLE',
  /** The operation did not finish within its limit. */
  'ERR_TIMEOUT',
  /** The operation was given up because a later command superseded it (a create cancelled by stop or delete). */
  'ERR_CANCELLED',
  /** The monitor, conmon or a shim, failed before it could hand over a container: it exited, spoke nonsense or said nothing. */
  'ERR_MONITOR_FAILED',
  /** The monitor of a container died. */
  'ERR_MONITOR_LOST',
  /** The runtime (or conmon) binary is missing or not executable. */
  'ERR_RUNTIME_NOT_FOUND',
  /** The runtime reported a failure that has no code of its own; see `command.stderrTail`. */
  'ERR_RUNTIME_FAILED',
  /** The runtime does not know the container. */
  'ERR_UNKNOWN_TO_RUNTIME',
  /** The container's process is not running. */
  'ERR_NOT_RUNNING',
  /** The process does not die although KILL was sent; the machine keeps trying. */
  'ERR_STOP_STUCK',
  /** The helper process that spawns for us died while the operation was in flight; its effect is uncertain. */
  'ERR_LAUNCHER_LOST',
  /** A file of the state directory cannot be read as what it should be. */
  'ERR_STATE_CORRUPT',
  /** Another supervisor has the state directory. `file` is its lock, which names the process. */
  'ERR_STATE_DIR_LOCKED',
  /** Nobody in the container listens on that port. */
  'ERR_PORT_REFUSED',
  /** The operating system refused a file or socket operation; `cause` has the errno. */
  'ERR_IO',
  /** The wait was aborted through its AbortSignal; the operation itself goes on. */
  'ERR_ABORTED',
  /** The runtime is closed or closing. */
  'ERR_CLOSED',
  /** This host, runtime or implementation cannot do that. */
  'ERR_UNSUPPORTED',
  /** A defect of this library. Please report it. */
  'ERR_INTERNAL',
] as const

export type ErrorCode = (typeof errorCodes)[number]
