/** The environment of a runtime and of who runs it: what is configured, and nothing of ours. */
import { searchPath } from '../search-path.ts'

/** Without a locale of UTF-8 conmon refuses every argument that is not ASCII. What sets LC_ALL or LANG goes before it. */
const defaultLocale = 'C.UTF-8'

/** The environment of conmon and of the runtime: what is configured, PATH, XDG_RUNTIME_DIR, a locale, and nothing of ours. */
export function runtimeEnvironment(
  monitorEnv: readonly string[],
  ours: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const { XDG_RUNTIME_DIR: runtimeDir } = ours
  return {
    PATH: searchPath(ours),
    ...(runtimeDir === undefined ? {} : { XDG_RUNTIME_DIR: runtimeDir }),
    LANG: defaultLocale,
    ...Object.fromEntries(monitorEnv.map(entryOf)),
  }
}

function entryOf(setting: string): [string, string] {
  const at = setting.indexOf('=')
  return at < 0 ? [setting, ''] : [setting.slice(0, at), setting.slice(at + 1)]
}
