/**
 * What the launcher must not hand down although it inherited it itself: open files and a raised limit on open files.
 * The environment is not here: every child gets exactly the variables it was asked to get.
 */
import { closeSync, readFileSync, readdirSync } from 'node:fs'
import { errnoOf } from '../../errors/index.ts'
import { searchPath } from '../search-path.ts'
import { execaSync } from 'execa'

const closeOnExec = 0o2_000_000
const prlimitTimeoutMs = 5000

/**
 * Closes every descriptor above standard error that a child would inherit. They come from the embedder: whatever native
 * code there opened without O_CLOEXEC (CVE-2024-21626 shows what a leaked directory can do). Node opens all its own
 * with O_CLOEXEC, the channel to the supervisor included, so those stay.
 */
export function closeInheritedFds(): readonly number[] {
  const closed: number[] = []
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name)
    if (fd <= 2 || !survivesExec(fd)) continue
    closeSync(fd)
    closed.push(fd)
  }
  return closed
}

function survivesExec(fd: number): boolean {
  const info = readIfThere(`/proc/self/fdinfo/${fd}`)
  const flags = info === undefined ? undefined : /^flags:\s*([0-7]+)$/m.exec(info)?.[1]
  return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0
}

/** Undefined for the descriptor that listed the directory: it is closed by now. */
function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Node raises its soft limit on open files to the hard one at start, and children inherit it. Programs that use
 * select(2) or that close every possible descriptor suffer from it. Returns what went wrong, if anything: the children
 * then keep the raised limit, which is harmless to monitors and runtimes and overridden by a container's own rlimits.
 */
export function lowerOpenFileLimit(softMax: number): string | undefined {
  const hard = Number(openFileLimits()?.hard ?? Number.NaN)
  const target = Number.isFinite(hard) ? Math.min(softMax, hard) : softMax
  const { exitCode, stderr, code } = execaSync('prlimit', [`--pid=${process.pid}`, `--nofile=${target}:`], {
    reject: false,
    extendEnv: false,
    env: { PATH: searchPath() },
    stdin: 'ignore',
    stdout: 'ignore',
    timeout: prlimitTimeoutMs,
  })
  if (exitCode === 0) return undefined
  return `the soft limit on open files stays raised for children: prlimit: ${code ?? stderr}`
}

/** The limits of this process in the kernel's words; `unlimited` is one of them. */
function openFileLimits(): { readonly soft: string; readonly hard: string } | undefined {
  const [, soft, hard] =
    /^Max open files\s+(\S+)\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  return soft === undefined || hard === undefined ? undefined : { soft, hard }
}
