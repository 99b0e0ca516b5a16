import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  rmdirSync,
  symlinkSync,
  watch,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { allCgroupRoots } from './cgroups.ts'
import {
  leaksSince,
  leaksThatStay,
  takeSnapshot,
  terminalSockets,
  type HostSnapshot,
  type Ours,
} from './leaks.ts'
import { makeContainerId, makeTempRoot } from './temp-root.ts'

const ownMonitor = `unasked-${process.pid}`
const nothing: Ours = { roots: [], containerIds: [] }

/** Without the cgroups of monitors that somebody else may just be starting on this host: the one test of those names its own. */
function found(before: HostSnapshot, ours: Ours = nothing): string[] {
  const leaks = leaksSince(before, ours).map(({ what }) => what)
  return leaks.filter((what) => !what.includes('/crio-conmon-') || what.includes(`-${ownMonitor}`))
}

/** Leaves `program` behind by way of a shell script, kills it, and returns what was found before. */
async function foundOfOrphan(program: string, script: string, ours: Ours): Promise<string[]> {
  const before = takeSnapshot()
  const { stdout } = await promisify(execFile)('sh', ['-c', `${script} >/dev/null 2>&1 & echo $!`])
  const pid = Number(stdout)
  // The shell answers before `program` has taken the place of its copy.
  while (readFileSync(`/proc/${pid}/comm`, 'utf8') !== `${program}\n`) await nextTurn()
  const leaks = found(before, ours)
  process.kill(pid, 'SIGKILL')
  return leaks
}

describe('processes', () => {
  it('finds nothing where nothing was left', () => {
    const ours = { roots: [makeTempRoot()], containerIds: [makeContainerId()] }
    const before = takeSnapshot()
    execFileSync('true')
    expect(found(before, ours)).toEqual([])
  })

  it('finds a child that still runs, until it is gone', async () => {
    const before = takeSnapshot()
    const child = spawn('sleep', ['600'], { stdio: 'ignore' })
    await once(child, 'spawn')
    expect(found(before)).toEqual([expect.stringContaining(`process ${String(child.pid)} `)])
    child.kill('SIGKILL')
    await leaksThatStay(before, nothing)
    expect(found(before)).toEqual([])
  })

  it('finds a dead child that nobody has waited for', async () => {
    const before = takeSnapshot()
    const child = spawn('true', { stdio: 'ignore' })
    // Node reaps children from its event loop: while this loop runs, the dead one stays a zombie.
    let leaks = found(before)
    while (leaks[0]?.startsWith('process')) leaks = found(before)
    expect(leaks).toEqual([expect.stringContaining(`zombie ${String(child.pid)} `)])
    await once(child, 'close')
    expect(found(before)).toEqual([])
  })

  it('finds an orphan by a directory of ours in its arguments', async () => {
    const root = makeTempRoot()
    const leaks = await foundOfOrphan('tail', `exec tail -F ${root}/log`, { roots: [root], containerIds: [] })
    expect(leaks).toEqual([expect.stringContaining(`tail -F ${root}/log`)])
  })

  it('finds an orphan by its working directory', async () => {
    const root = makeTempRoot()
    const leaks = await foundOfOrphan('sleep', `cd ${root}; exec sleep 600`, {
      roots: [root],
      containerIds: [],
    })
    expect(leaks).toEqual([expect.stringMatching(/^process /u)])
  })

  it('finds an orphan by what is mounted in its own namespace', async () => {
    const root = makeTempRoot()
    const script = 'mount -t tmpfs none "$0" && exec sleep 600'
    const leaks = await foundOfOrphan(
      'sleep',
      `exec unshare -m --propagation private sh -c '${script}' ${root}`,
      {
        roots: [root],
        containerIds: [],
      },
    )
    expect(leaks).toEqual([expect.stringMatching(/^process /u)])
  })

  it('does not find an orphan that has nothing to do with us', async () => {
    const before = takeSnapshot()
    const { stdout } = await promisify(execFile)('sh', ['-c', 'cd /; sleep 600 >/dev/null 2>&1 & echo $!'])
    const leaks = found(before, { roots: [makeTempRoot()], containerIds: [makeContainerId()] })
    process.kill(Number(stdout), 'SIGKILL')
    expect(leaks).toEqual([])
  })
})

describe('what processes hold', () => {
  it('finds an open file descriptor', () => {
    const before = takeSnapshot()
    const fd = openSync('/dev/null', 'r')
    const leaks = found(before)
    closeSync(fd)
    expect(leaks).toEqual([`file descriptor ${fd}: /dev/null`])
    expect(found(before)).toEqual([])
  })

  it('finds a watch that was not closed', () => {
    const before = takeSnapshot()
    const watcher = watch('/tmp')
    const leaks = found(before)
    watcher.close()
    expect(leaks).toEqual(['1 file system watches'])
    expect(found(before)).toEqual([])
  })

  it('finds a socket, both open and as a file', async () => {
    const root = makeTempRoot()
    const ours = { roots: [root], containerIds: [] }
    const before = takeSnapshot()
    const server = createServer().listen(join(root, 'attach'))
    await once(server, 'listening')
    expect(found(before, ours)).toEqual([
      expect.stringMatching(/^file descriptor \d+: socket:/u),
      expect.stringMatching(/^open socket .*\/attach$/u),
      `socket ${join(root, 'attach')}`,
    ])
    server.close()
    expect(await leaksThatStay(before, ours)).toEqual([])
  })

  it('finds a FIFO at any depth, but no regular file', () => {
    const root = makeTempRoot()
    const ours = { roots: [root], containerIds: [] }
    const before = takeSnapshot()
    const bundle = join(root, 'a', 'bundle')
    mkdirSync(bundle, { recursive: true })
    execFileSync('sh', ['-c', 'mkfifo "$0/ctl"; echo 0 >"$0/exit"', bundle])
    expect(found(before, ours)).toEqual([`FIFO ${join(bundle, 'ctl')}`])
    rmSync(join(bundle, 'ctl'))
    expect(found(before, ours)).toEqual([])
  })
})

describe('what the kernel and runtimes keep', () => {
  it('finds a mount', () => {
    const root = makeTempRoot()
    const before = takeSnapshot()
    execFileSync('mount', ['-t', 'tmpfs', 'none', root])
    const leaks = found(before, { roots: [root], containerIds: [] })
    execFileSync('umount', [root])
    expect(leaks).toEqual([expect.stringContaining(` ${root} `)])
  })

  it.each([
    ['with an id of ours', makeContainerId(), true],
    ["of a monitor whose id we don't know", `crio-conmon-${ownMonitor}`, false],
  ])('finds a cgroup %s', (_which, name, isKnown) => {
    const tree = existsSync('/sys/fs/cgroup/pids') ? '/sys/fs/cgroup/pids' : '/sys/fs/cgroup'
    const before = takeSnapshot()
    const cgroup = join(tree, name)
    mkdirSync(cgroup)
    const leaks = found(before, isKnown ? { roots: [], containerIds: [name] } : nothing)
    rmdirSync(cgroup)
    expect(leaks).toEqual([`cgroup ${cgroup}`])
  })

  it('finds a cgroup in every hierarchy that is mounted', () => {
    const id = makeContainerId()
    const before = takeSnapshot()
    const groups = allCgroupRoots().map((root) => join(root, id))
    for (const group of groups) mkdirSync(group)
    const leaks = found(before, { roots: [], containerIds: [id] })
    for (const group of groups) rmdirSync(group)
    expect(leaks.toSorted()).toEqual(groups.map((group) => `cgroup ${group}`).toSorted())
  })

  it('finds what a runtime remembers of a container', () => {
    const id = makeContainerId()
    const before = takeSnapshot()
    mkdirSync(`/run/crun/${id}`, { recursive: true })
    const leaks = found(before, { roots: [], containerIds: [id] })
    rmdirSync(`/run/crun/${id}`)
    expect(leaks).toEqual([`directory /run/crun/${id}`])
  })
})

/** A table of processes with a monitor in it, which does not exist. */
function conmonIn(bundle: string) {
  const pid = 2 ** 22 + 1
  const command = `/usr/bin/conmon -b ${bundle} -c c1`
  return new Map([[pid, { pid, parentPid: 1, state: 'S', startTicks: '1', command }]])
}

describe('what programs put where everybody does', () => {
  it.each(['/tmp', '/run'])('finds an entry of %s that has an id of ours', (directory) => {
    const id = makeContainerId()
    const before = takeSnapshot()
    const entry = `${directory}/crun-${id}`
    mkdirSync(entry)
    const leaks = found(before, { roots: [], containerIds: [id] })
    rmdirSync(entry)
    expect(leaks).toEqual([`entry ${entry}`])
  })

  it('finds a link that leads to a directory of ours', () => {
    const root = makeTempRoot()
    const before = takeSnapshot()
    const entry = `/tmp/link-${process.pid}`
    symlinkSync(`${root}/b`, entry)
    const leaks = found(before, { roots: [root], containerIds: [] })
    rmSync(entry)
    expect(leaks).toEqual([`entry ${entry}`])
  })

  it('finds the socket of a terminal that conmon left, unless a conmon lives that is not ours', () => {
    const root = makeTempRoot()
    const ours = { roots: [root], containerIds: [] }
    const entries = ['/tmp/conmon-term.A1b2C3', '/tmp/conmon-term', '/tmp/other']
    expect(terminalSockets(entries, new Map(), ours)).toEqual(['/tmp/conmon-term.A1b2C3'])
    expect(terminalSockets(entries, conmonIn(`${root}/b`), ours)).toEqual(['/tmp/conmon-term.A1b2C3'])
    expect(terminalSockets(entries, conmonIn('/elsewhere/b'), ours)).toEqual([])
  })
})

function runUnderTheGate(fixture: string) {
  const config = 'test/support/fixtures/leaky.vitest.config.ts'
  return spawnSync('vitest', ['run', '--config', config, fixture], { encoding: 'utf8' })
}

/** The temp root that a fixture says it made. */
function rootIn(stdout: string): string {
  const root = /temp root (\S+)/u.exec(stdout)?.[1]
  if (root === undefined) throw new Error(`no temp root in: ${stdout}`)
  return root
}

describe('the gate', () => {
  it('fails a file whose tests pass but leave a process behind, and kills that', () => {
    const { status, stdout, stderr } = runUnderTheGate('leaky')
    const output = `${stdout}${stderr}`
    expect(status, output).toBe(1)
    expect(output).toContain('left behind:')
    const pid = /process (\d+) \(parent \d+\): sleep 600/u.exec(output)?.[1]
    expect(pid, output).toBeDefined()
    expect(existsSync(`/proc/${String(pid)}/cwd`)).toBe(false)
    expect(existsSync(rootIn(stdout))).toBe(false)
  })

  it('lets a file pass that leaves files in its temp root only, and removes that', () => {
    const { status, stdout, stderr } = runUnderTheGate('clean')
    expect(status, `${stdout}${stderr}`).toBe(0)
    expect(existsSync(rootIn(stdout))).toBe(false)
  })
})
