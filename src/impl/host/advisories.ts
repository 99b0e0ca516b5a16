/**
 * Security advisories of the programs that run containers, by upstream's versions. A distribution may have mended them
 * under an older number, so what stands here is a reason to look and not a verdict.
 *
 * Deliberately not here: advisories of which every supported branch has been free for years, and those of programs that this
 * library never runs.
 */

export type KnownProgram = 'runc' | 'crun' | 'conmon'

export interface Advisory {
  readonly name: string
  readonly program: KnownProgram
  /** What an attacker gains, in one line. */
  readonly effect: string
  /** For each branch the first version that is affected and the first that is not any more. */
  readonly affected: readonly (readonly [since: string, before: string])[]
}

export const advisories: readonly Advisory[] = [
  {
    name: 'CVE-2019-5736',
    program: 'runc',
    effect: 'a container overwrites the runtime on the host',
    affected: [['0', '1.0.0-rc7']],
  },
  {
    name: 'CVE-2021-30465',
    program: 'runc',
    effect: 'a symlink race mounts the host into a container',
    affected: [['0', '1.0.0-rc95']],
  },
  {
    name: 'CVE-2022-29162',
    program: 'runc',
    effect: 'commands in a container get inheritable capabilities',
    affected: [['0', '1.1.2']],
  },
  {
    name: 'CVE-2023-27561',
    program: 'runc',
    effect: 'a symlink of /proc or /sys escapes the masks of a container',
    affected: [['1.0.0-rc95', '1.1.5']],
  },
  {
    name: 'CVE-2024-21626',
    program: 'runc',
    effect: 'a working directory below /proc/self/fd is on the host',
    affected: [['1.0.0-rc93', '1.1.12']],
  },
  {
    name: 'CVE-2024-45310',
    program: 'runc',
    effect: 'a race creates empty files on the host',
    affected: [
      ['0', '1.1.14'],
      ['1.2.0-rc.1', '1.2.0-rc.3'],
    ],
  },
  ...(['CVE-2025-31133', 'CVE-2025-52565', 'CVE-2025-52881'] as const).map((name): Advisory => ({
    name,
    program: 'runc',
    effect: 'a race while a container is made writes to the /proc of the host, which is an escape',
    affected: [
      ['0', '1.2.8'],
      ['1.3.0-rc.1', '1.3.3'],
      ['1.4.0-rc.1', '1.4.0-rc.3'],
    ],
  })),
  {
    name: 'CVE-2026-41579',
    program: 'runc',
    effect: 'a /dev that is a symlink makes the runtime remove and create files on the host',
    affected: [
      ['0', '1.3.6'],
      ['1.4.0-rc.1', '1.4.3'],
      ['1.5.0-rc.1', '1.5.0-rc.3'],
    ],
  },
  {
    name: 'CVE-2022-27650',
    program: 'crun',
    effect: 'commands in a container get inheritable capabilities',
    affected: [['0', '1.4.4']],
  },
  {
    name: 'CVE-2025-24965',
    program: 'crun',
    effect: 'an image for its krun handler writes files on the host',
    affected: [['0', '1.20']],
  },
  {
    name: 'CVE-2026-30892',
    program: 'crun',
    effect: 'a command for user 1 on its command line runs as root',
    affected: [['1.19', '1.27']],
  },
  {
    name: 'CVE-2026-47766',
    program: 'crun',
    effect: 'a /dev that is a symlink makes the runtime create files on the host',
    affected: [['0', '1.28']],
  },
  ...(['CVE-2026-88264', 'CVE-2026-88265'] as const).map((name): Advisory => ({
    name,
    program: 'crun',
    effect: 'without a mount of its own on /dev a container has files of the host as its terminal or streams',
    // No release without it was known when this was written; later ones are not claimed to have it.
    affected: [['0', '1.29.2']],
  })),
  {
    name: 'CVE-2022-1708',
    program: 'conmon',
    effect: 'the output of a command fills memory and disk of the host',
    affected: [['0', '2.1.2']],
  },
]

/** The advisories that a version is affected by, as upstream numbers versions; undefined when it is no version. */
export function advisoriesOf(program: KnownProgram, version: string): readonly Advisory[] | undefined {
  const parts = partsOf(version)
  if (parts === undefined) return undefined
  return advisories.filter(
    (advisory) =>
      advisory.program === program &&
      advisory.affected.some(([since, before]) => isBefore(parts, before) && !isBefore(parts, since)),
  )
}

/** Major, minor, patch, and the release candidate; a release comes after all of its candidates. */
type Parts = readonly [number, number, number, number]

/** What follows those parts (`+ds1`, `-dirty`) is a distribution's or a build's and orders nothing. */
function partsOf(version: string): Parts | undefined {
  const [, major, minor, patch, candidate] =
    /^v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:[-~]rc\.?(\d{1,9}))?(?!\d)/.exec(version) ?? []
  if (major === undefined) return undefined
  return [Number(major), Number(minor ?? 0), Number(patch ?? 0), Number(candidate ?? Infinity)]
}

function isBefore(parts: Parts, version: string): boolean {
  const others = partsOf(version) ?? [0, 0, 0, 0]
  const index = parts.findIndex((part, at) => part !== others[at])
  return index >= 0 && (parts[index] ?? 0) < (others[index] ?? 0)
}
