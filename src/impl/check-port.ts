/** What `Runtime.check` finds of the host and its programs. */

/** One thing that the operator of a host should know of. */
export interface CheckFinding {
  /**
   * `advisory`: upstream knows a security hole in this version of a program. `version`: a program does not say which version
   * it is. `program`: it cannot be found or run.
   */
  readonly check: 'advisory' | 'version' | 'program'
  /** `error`: creates will fail. `info`: the configuration acknowledges it, or nothing is known. */
  readonly severity: 'error' | 'warning' | 'info'
  /** What it is about: the path of a program, or its name where it has none. */
  readonly subject: string
  /** The advisory's name, such as `CVE-2024-21626`. */
  readonly advisory: string | undefined
  readonly message: string
  /** What to do about it. */
  readonly remedy: string
}
