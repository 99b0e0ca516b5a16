/** The names of systemd's slices. */

/**
 * As systemd has it: `a-b.slice` is below `a.slice`, so a dash stands between two names, and nothing else does. A whole
 * unit name has at most 255 characters.
 */
export function isSliceName(name: string): boolean {
  return name.length <= 255 && (name === '-.slice' || /^[\w:.\\]+(?:-[\w:.\\]+)*\.slice$/.test(name))
}

/** The path of a slice's cgroup: `/a.slice/a-b.slice` of `a-b.slice`. */
export function sliceCgroup(name: string): string {
  if (name === '-.slice') return ''
  const parts = name.slice(0, -'.slice'.length).split('-')
  return parts.map((_, at) => `/${parts.slice(0, at + 1).join('-')}.slice`).join('')
}
