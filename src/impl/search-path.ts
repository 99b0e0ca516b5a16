/** Where a shell looks when nobody says. Some runtimes need mount(8) or criu. */
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Where programs are looked up: PATH, or the system's own directories where it is not set, as in some service managers. */
export function searchPath(
  { PATH: path }: Readonly<Record<string, string | undefined>> = process.env,
): string {
  return path === undefined || path === '' ? defaultPath : path
}
