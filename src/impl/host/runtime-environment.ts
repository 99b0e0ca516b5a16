/** The environment of a runtime and of who runs it: what is configured, and nothing of ours. */

/** Where a shell looks when nobody says. Some runtimes need mount(8) or criu. */
export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Without a locale of UTF-8 conmon refuses every argument that is not ASCII. What sets LC_ALL or LANG goes before it. */
const defaultLocale = 'C.UTF-8'

/** The environment of conmon and of the runtime: what is configured, PATH, XDG_RUNTIME_DIR, a locale, and nothing of ours. */
export function runtimeEnvironment(
  monitorEnv: readonly string[],
  ours: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const { PATH: path = defaultPath, XDG_RUNTIME_DIR: runtimeDir } = ours
  return {
    PATH: path,
    ...(runtimeDir === undefined ? {} : { XDG_RUNTIME_DIR: runtimeDir }),
    LANG: defaultLocale,
    ...Object.fromEntries(monitorEnv.map(entryOf)),
  }
}

function entryOf(setting: string): [string, string] {
  const at = setting.indexOf('=')
  return at < 0 ? [setting, ''] : [setting.slice(0, at), setting.slice(at + 1)]
}
