/**
 * What a container, its monitor and the runtime see of the process that embeds us: nothing. Looked at from outside, in an
 * embedder that has all that must not be handed down: a descriptor without close-on-exec, a raised limit on open files, a
 * secret in its environment, a private umask, a directory and a session of its own.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { makeRootfs } from '../support/rootfs.ts'
import { makeContainerId, makeTempRoot } from '../support/temp-root.ts'
import { writeWrapper, type RuntimeName } from './facade-host.ts'
import { until } from './oci-host.ts'

const secret = 'e2e-secret-of-the-embedder'
const leakedFd = '23'
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What /proc says of one process. */
interface View {
  /** Targets by number. */
  readonly fds: ReadonlyMap<string, string>
  readonly environment: readonly string[]
  readonly nofile: { readonly soft: string; readonly hard: string }
  readonly oomScoreAdj: string
  readonly umask: string
  readonly cwd: string
  readonly session: string
}

function limitsIn(text: string): View['nofile'] {
  const [, soft = '', hard = ''] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(text) ?? []
  return { soft, hard }
}

function variablesIn(environ: string): string[] {
  return environ.split('\0').filter(Boolean).toSorted()
}

function sessionIn(stat: string): string {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3] ?? ''
}

function umaskIn(status: string): string {
  return /^Umask:\s*(\d+)$/m.exec(status)?.[1] ?? ''
}

function viewOf(pid: number): View {
  const read = (name: string): string => readFileSync(`/proc/${pid}/${name}`, 'latin1')
  const names = readdirSync(`/proc/${pid}/fd`)
  return {
    fds: new Map(names.map((fd) => [fd, readlinkSync(`/proc/${pid}/fd/${fd}`)])),
    environment: variablesIn(read('environ')),
    nofile: limitsIn(read('limits')),
    oomScoreAdj: read('oom_score_adj').trim(),
    umask: umaskIn(read('status')),
    cwd: readlinkSync(`/proc/${pid}/cwd`),
    session: sessionIn(read('stat')),
  }
}

/** The wrapper's notes on what it was given. In subshells: for a redirection of its own a shell opens descriptors. */
const takesNotes = `notes="\${0%/*}/notes/$verb"
if [ ! -e "$notes" ] && mkdir "$notes"; then
  (ls -l /proc/$$/fd >"$notes/fds")
  for name in environ limits oom_score_adj status stat; do (cat /proc/$$/$name >"$notes/$name"); done
  (readlink /proc/$$/cwd >"$notes/cwd")
fi`

function viewInNotes(notes: string): View {
  const read = (name: string): string => readFileSync(join(notes, name), 'latin1')
  const fds = [...read('fds').matchAll(/ (\d+) -> (.*)$/gm)].map(
    ([, fd = '', target = '']) => [fd, target] as const,
  )
  return {
    // The script itself, which the shell reads from.
    fds: new Map(fds.filter(([, target]) => basename(target) !== 'wrapper')),
    environment: variablesIn(read('environ')),
    nofile: limitsIn(read('limits')),
    oomScoreAdj: read('oom_score_adj').trim(),
    umask: umaskIn(read('status')),
    cwd: read('cwd').trim(),
    session: sessionIn(read('stat')),
  }
}

/** An embedder as careless as they come. `bash`, since dash knows no descriptors above 9. */
const prelude = [
  'umask 077',
  'ulimit -Sn 4000',
  'echo 300 >/proc/self/oom_score_adj',
  `exec ${leakedFd}</etc/hostname 9</etc/hostname`,
  'exec "$0" "$@"',
].join('; ')

describe.each<RuntimeName>(['crun', 'runc'])('below an embedder, on %s,', (handler) => {
  const root = makeTempRoot()
  const id = makeContainerId()
  const cwd = join(root, 'embedders-directory')
  let embedder: View
  let init: View
  let monitor: View
  let monitorPid: string
  let exit: unknown[]
  const runtime = new Map<string, View>()

  beforeAll(async () => {
    makeRootfs(root)
    mkdirSync(cwd)
    mkdirSync(join(root, 'notes'))
    const wrapper = writeWrapper(join(root, 'wrapper'), handler, takesNotes)
    const program = new URL('isolation-embedder.ts', import.meta.url).pathname
    const child = spawn(
      'bash',
      ['--norc', '-c', prelude, process.execPath, program, root, id, handler, wrapper],
      {
        cwd,
        detached: true,
        env: { PATH: path, HOME: '/root', SECRET: secret, NODE_OPTIONS: '--max-old-space-size=300' },
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    )
    const exited = once(child, 'exit')
    const [line] = z.tuple([z.string()]).parse(await once(createInterface({ input: child.stdout }), 'line'))
    const { pid } = z.object({ pid: z.number() }).parse(JSON.parse(line))
    await until('init runs the command', () =>
      readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('sleep'),
    )
    monitorPid = readFileSync(join(root, 'bundle', 'conmon-pidfile'), 'utf8')
    embedder = viewOf(child.pid ?? 0)
    init = viewOf(pid)
    monitor = viewOf(Number(monitorPid))
    child.stdin.end('\n')
    exit = await exited
    for (const verb of readdirSync(join(root, 'notes'))) {
      runtime.set(verb, viewInNotes(join(root, 'notes', verb)))
    }
  })
  afterAll(() => {
    runtime.clear()
  })

  const everyone = (): View[] => [init, monitor, ...runtime.values()]

  it('which has all that must not be handed down', () => {
    expect(embedder.fds.get(leakedFd)).toBe('/etc/hostname')
    expect(embedder.nofile.soft).not.toBe('1024')
    expect(embedder.environment.join()).toContain(secret)
    expect(embedder).toMatchObject({ umask: '0077', cwd, oomScoreAdj: '300' })
    expect(exit).toEqual([0, null])
  })

  it('the runtime is asked for everything through what we look at', () => {
    expect([...runtime.keys()]).toEqual(
      expect.arrayContaining(['create', 'start', 'pause', 'resume', 'delete']),
    )
  })

  it('nobody has an open file but his own', () => {
    expect([...init.fds.keys()]).toEqual(['0', '1', '2'])
    for (const { fds } of runtime.values()) expect([...fds.keys()].toSorted()).toEqual(['0', '1', '2'])
    for (const { fds } of everyone()) {
      expect([...fds.values()]).not.toContain('/etc/hostname')
      expect([...fds.values()]).not.toContain(join(root, 'state', 'lock'))
    }
    expect([...embedder.fds.values()]).toContain(join(root, 'state', 'lock'))
  })

  it('nobody has a variable but PATH, a locale, and those that were declared', () => {
    // The runtimes add a home where the spec has none.
    expect(init.environment).toEqual(['HOME=/', 'OWN=yes', `PATH=${path}`])
    const pipes = ['_OCI_STARTPIPE=4', '_OCI_SYNCPIPE=3']
    const given = ['DECLARED=yes', 'LANG=C.UTF-8', `PATH=${path}`]
    expect(monitor.environment).toEqual([...given, ...pipes])
    for (const [verb, { environment }] of runtime) {
      const expected = verb === 'create' ? monitor.environment : given
      expect(environment).toEqual(expected)
    }
    expect(
      everyone()
        .flatMap(({ environment }) => environment)
        .join(),
    ).not.toContain(secret)
  })

  it('everyone has the usual soft limit on open files, and the hard one that there was', () => {
    // runc itself raises it, being a Go program, and in older versions for the container as well.
    const limited = handler === 'runc' ? [monitor, ...runtime.values()] : everyone()
    for (const { nofile } of limited) expect(nofile).toEqual({ soft: '1024', hard: embedder.nofile.hard })
    expect(init.nofile.hard).toBe(embedder.nofile.hard)
  })

  it('only the monitor may be spared by the OOM killer, and the container is what its spec says', () => {
    expect(init.oomScoreAdj).toBe('500')
    expect(['300', '-1000']).toContain(monitor.oomScoreAdj)
    // conmon hands down what it had itself, or 0 in older versions.
    expect(['300', '0']).toContain(runtime.get('create')?.oomScoreAdj)
    expect(runtime.get('start')?.oomScoreAdj).toBe('300')
  })

  // With the embedder's the runtimes would make mount points that only root can enter.
  it('everyone has the usual umask', () => {
    for (const { umask } of everyone()) expect(umask).toBe('0022')
  })

  it('nobody stands in the directory of the embedder', () => {
    for (const view of everyone()) expect(view.cwd).not.toBe(cwd)
    expect([init.cwd, runtime.get('start')?.cwd]).toEqual(['/', '/'])
  })

  it('nobody is in the session of the embedder, and the monitor is in its own', () => {
    for (const view of everyone()) expect(view.session).not.toBe(embedder.session)
    expect(monitor.session).toBe(monitorPid)
  })
})
