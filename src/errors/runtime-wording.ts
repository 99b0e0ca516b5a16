/**
 * What crun, runc, conmon and containerd's shim say when something fails, as an error code and one readable message.
 *
 * Architecture invariant: no other file looks into their words. They are no interface: they differ between the two
 * runtimes and change with their versions, so what is not recognised gets no code here and the caller's own one.
 * Deliberately not here: exit codes, which say nothing (nearly always 1).
 */
import type { ErrorCode } from './codes.ts'

export interface RuntimeWords {
  /** Undefined when the words are not known. */
  readonly code: ErrorCode | undefined
  /** What of the request is wrong, where the words tell. */
  readonly field?: string
  /** In the program's own words, without the wrapping of its log format; '' when it said nothing. */
  readonly message: string
}

/** The words of a failed runtime or monitor, taken from its standard error or from conmon's sync pipe. */
export function readRuntimeWords(text: string): RuntimeWords {
  const message = unwrapped(text)
  const [, code, field] = meanings.find(([words]) => words.test(message)) ?? []
  return { code, message, ...(field === undefined ? {} : { field }) }
}

/**
 * Case does not count: crun prints strerror's capital letters ("No such process"), runc Go's small ones. The first
 * match decides, so what is special stands before what is general. Each line's sample is under test/errors/fixtures.
 */
const meanings: readonly (readonly [words: RegExp, code: ErrorCode, field?: string])[] = [
  // The runtime does not know the container. crun says so by the file it misses.
  [/(?:^|: )container (?:\S+ )?does not exist$/im, 'ERR_UNKNOWN_TO_RUNTIME'],
  [
    /^(?:error opening file|cannot open|open) [`'][^`']*\/status[`']: no such file/im,
    'ERR_UNKNOWN_TO_RUNTIME',
  ],
  [/^cannot open directory [`'][^`']*[`']: no such file/im, 'ERR_UNKNOWN_TO_RUNTIME'],

  [
    /container with (?:given )?id (?:already )?exists|container [`'"]?\S+ already exists/i,
    'ERR_CONTAINER_EXISTS',
  ],

  // The command. runc quotes with ", crun with `.
  [/executable file (?:[`'][^`']*[`'] )?not found/i, 'ERR_COMMAND_NOT_FOUND'],
  [/exec: "[^"]*": stat [^:]*: (?:no such file or|not a) directory/i, 'ERR_COMMAND_NOT_FOUND'],
  [/^open executable: not a directory/im, 'ERR_COMMAND_NOT_FOUND'],
  [/exec: "[^"]*": (?:permission denied|is a directory|exec format error)/i, 'ERR_COMMAND_NOT_EXECUTABLE'],
  [/^open executable: (?:permission denied|operation not permitted)/im, 'ERR_COMMAND_NOT_EXECUTABLE'],
  [/exec format error/i, 'ERR_COMMAND_NOT_EXECUTABLE'],

  // A working directory that is not there, or not for this user. A container's own is made, where nothing else has its name.
  [/^chdir [`'][^`']*[`']: /im, 'ERR_INVALID_ARGUMENT', 'cwd'],
  [/: chdir to cwd \("[^"]*"\) set in config\.json failed: /i, 'ERR_INVALID_ARGUMENT', 'cwd'],
  [
    /error during container init: mkdir [^:]*: (?:not a directory|file exists)$/im,
    'ERR_INVALID_ARGUMENT',
    'cwd',
  ],

  [/specification file config\.json not found|^error loading config\.json/im, 'ERR_BUNDLE'],

  // What the container's state forbids. crun finds no FIFO to open when a container is started twice.
  [
    /cannot start an already running container|cannot start a container in the \S+ state/i,
    'ERR_WRONG_STATUS',
  ],
  [/^cannot open [`'][^`']*\/exec\.fifo[`']: no such file/im, 'ERR_WRONG_STATUS'],
  [
    /cannot delete container \S+ that is not stopped|is not in `created` or `stopped` state/i,
    'ERR_WRONG_STATUS',
  ],
  [/container not paused|cannot exec in a paused container|container `[^`]*` is paused/i, 'ERR_WRONG_STATUS'],

  [/container not running|container `[^`]*` is not running/i, 'ERR_NOT_RUNNING'],
  [
    /cannot (?:start|exec in) a (?:container that has stopped|stopped container|stopped state)/i,
    'ERR_NOT_RUNNING',
  ],
  [/no such process|process already finished|invalid process/i, 'ERR_NOT_RUNNING'],

  // conmon, of the runtime it was told to use.
  [/^runtime path .* is not valid/im, 'ERR_RUNTIME_NOT_FOUND'],

  [/unknown command \S+|no help topic for/i, 'ERR_UNSUPPORTED'],
]

/**
 * The complaints themselves: runc's logrus lines (text or JSON), conmon's prefixed ones and what a shim says of its runtime
 * lose their wrapping, and what is below an error is left out when there is an error. Everything else stays as it is.
 */
function unwrapped(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => unwrappedLine(line.trimEnd()))
    .filter(({ message }) => message !== '')
  const errors = lines.filter(({ isError }) => isError !== false)
  // runc 1.1 prints some errors twice.
  return [...new Set((errors.length > 0 ? errors : lines).map(({ message }) => message))].join('\n')
}

interface Line {
  readonly message: string
  /** Undefined where the format has no levels. */
  readonly isError: boolean | undefined
}

function unwrappedLine(text: string): Line {
  const line = withoutShim(text)
  return (
    logrusText(line) ??
    logrusJson(line) ??
    conmonLine(line) ?? { message: withoutTime(line), isError: undefined }
  )
}

/**
 * containerd's shim says which of its steps failed, that its runtime did, and only then what that said. What is nothing but
 * wrapping stays.
 */
function withoutShim(line: string): string {
  const words = line.replace(shimWrapping, '')
  return words === '' ? line : words
}

const shimWrapping =
  /^(?:OCI runtime \w+ failed: |unknown error after kill: |failed to delete task: )?(?:unable to retrieve OCI runtime error \([^)]*\): )?(?:\/\S+ did not terminate successfully: (?:exit status \d+|signal: \w+): )?/

/** `time="…" level=error msg="…"`, the message quoted as Go does it. */
function logrusText(line: string): Line | undefined {
  const [, level, quoted] = /^time="[^"]*" level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S*)/.exec(line) ?? []
  if (level === undefined || quoted === undefined) return undefined
  return { message: unquoted(quoted).trim(), isError: isErrorLevel(level) }
}

function logrusJson(line: string): Line | undefined {
  if (!line.startsWith('{')) return undefined
  const value = parsed(line)
  if (typeof value !== 'object' || value === null || !('msg' in value) || !('level' in value))
    return undefined
  return { message: String(value.msg).trim(), isError: isErrorLevel(String(value.level)) }
}

/** `[conmon:e]: …`; one of its macros leaves out the colon. */
function conmonLine(line: string): Line | undefined {
  const [, level, message] = /^\[conmon:(\w)\]:? ?(.*)$/.exec(line) ?? []
  return level === undefined || message === undefined
    ? undefined
    : { message: message.trim(), isError: level === 'e' }
}

/** Some versions of crun begin with the time. */
function withoutTime(line: string): string {
  return line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z: /, '')
}

function isErrorLevel(level: string): boolean {
  return level === 'error' || level === 'fatal' || level === 'panic'
}

/** Go's quoting is JSON's but for \x.. and a few more escapes, which then stay as they are. */
function unquoted(text: string): string {
  if (!text.startsWith('"')) return text
  const value = parsed(text)
  return typeof value === 'string' ? value : text.slice(1, -1)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON after all: the caller takes the text as it is.
    return undefined
  }
}
