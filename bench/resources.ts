/** What the library takes beside time: CPU, memory, calls of the file system, import, and a thousand containers. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openPeer, type Answer, type Peer } from './peers/protocol.ts'
import { median } from './statistics.ts'

export interface ResourceOptions {
  readonly root: string
  readonly template: string
  readonly runtimes: readonly string[]
  readonly many: number
}

const oneShots = 60
const idleContainers = 100
const idleSeconds = 20
const say = (what: string, figure: string): void => console.log(`| ${what} | ${figure} |`)
const number = (answer: Answer, name: string): number => Number(answer[name])

export async function measureResources(peer: Peer, options: ResourceOptions): Promise<void> {
  console.log('\n## Resources\n\n| What | Measured |\n| --- | --- |')
  sayImport()
  for (const handler of options.runtimes) await sayCpu(peer, handler)
  await sayCalls(options)
  await sayIdle(options)
  if (options.many > 0) await sayMany(options)
}

/** The median of fifty writes of 2 KB with fsync. */
export function fsyncMs(directory: string): number {
  const path = join(directory, 'written')
  const text = 'x'.repeat(2000)
  const all = Array.from({ length: 50 }, () => {
    const fd = openSync(path, 'w')
    const beganMs = performance.now()
    writeSync(fd, text)
    fsyncSync(fd)
    const tookMs = performance.now() - beganMs
    closeSync(fd)
    return tookMs
  })
  rmSync(path)
  return median(all)
}

const importing = (name: string): string => `
  const memory = process.memoryUsage().rss
  const cpu = process.cpuUsage()
  await import('${name}')
  const { user, system } = process.cpuUsage(cpu)
  console.log((user + system) / 1000, (process.memoryUsage().rss - memory) / 2 ** 20)`

function sayImport(): void {
  for (const name of ['oci-supervisor', 'oci-supervisor/testing']) {
    const runs = Array.from({ length: 7 }, () =>
      execFileSync(process.execPath, ['--input-type=module', '-e', importing(name)], { encoding: 'utf8' })
        .trim()
        .split(' ')
        .map(Number),
    )
    const [cpu, memory] = [0, 1].map((at) => median(runs.map((run) => run[at] ?? Number.NaN)))
    say(`\`import '${name}'\``, `${cpu?.toFixed(0)} ms of CPU, ${memory?.toFixed(1)} MiB resident more`)
  }
}

async function sayCpu(peer: Peer, handler: string): Promise<void> {
  const before = await peer.ask('usage')
  await peer.ask(`par ${handler} ${oneShots} 8`)
  const after = await peer.ask('usage')
  const per = (name: string): number => (number(after, name) - number(before, name)) / oneShots
  const [own, launcher] = [per('cpuMs'), per('launcherCpuMs')]
  say(
    `own CPU per one-shot, ${handler}, 8 in flight`,
    `${(own + launcher).toFixed(1)} ms: supervisor ${own.toFixed(1)}, launcher ${launcher.toFixed(1)}`,
  )
}

/** By a driver of its own, which counts, and by strace at its two processes. */
async function sayCalls({ root, template }: ResourceOptions): Promise<void> {
  const directory = join(root, 'counted')
  mkdirSync(directory, { mode: 0o700 })
  const program = new URL('peers/driver.ts', import.meta.url).pathname
  const argv = [
    process.execPath,
    program,
    '--root',
    directory,
    '--template',
    template,
    '--count-calls',
  ] as const
  const peer = await openPeer({ name: 'counted', argv: [...argv] })
  try {
    const count = 20
    await peer.ask('oneshot crun 5')
    const before = number(await peer.ask('calls'), 'calls')
    await peer.ask(`oneshot crun ${count}`)
    const promises = (number(await peer.ask('calls'), 'calls') - before) / count
    say('calls of `fs.promises` and file handles per one-shot, crun', promises.toFixed(0))

    const launcher = number(await peer.ask('usage'), 'launcherPid')
    const output = join(root, 'strace')
    const pids = [peer.pid, launcher]
    const set = '%file,fsync,fdatasync,ftruncate,getdents64,pread64,pwrite64,write'
    const strace = spawn('strace', [
      '-f',
      '-q',
      '-e',
      `trace=${set}`,
      '-o',
      output,
      ...pids.flatMap((pid) => ['-p', String(pid)]),
    ])
    // It is attached when both processes have a tracer.
    while (!pids.every((pid) => !/^TracerPid:\s+0$/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))))
      await delay(20)
    await peer.ask(`oneshot crun ${count}`)
    const threads = new Set(pids.flatMap((pid) => readdirSync(`/proc/${pid}/task`)))
    strace.kill('SIGINT')
    await once(strace, 'exit')
    const names = /^(\d+) +(\w+)\(/
    const calls = readFileSync(output, 'latin1')
      .split('\n')
      .flatMap((line) => {
        const [, thread = '', name = ''] = names.exec(line) ?? []
        // What wakes threads and carries messages is written, too: to descriptors that are no files.
        const isFile = name !== 'write' || !/"\\1\\0\\0\\0\\0\\0\\0\\0", 8|"[\\1!]", 1\)|\{\\"type/.test(line)
        return threads.has(thread) && name !== '' && isFile ? [name] : []
      })
    const byName = Map.groupBy(calls, (name) => name)
    const most = [...byName].toSorted(([, a], [, b]) => b.length - a.length).slice(0, 6)
    say(
      'system calls on files per one-shot, crun, both processes',
      `${(calls.length / count).toFixed(0)}: ${most.map(([name, all]) => `${name} ${(all.length / count).toFixed(0)}`).join(', ')}, …`,
    )
  } finally {
    await peer.quit()
  }
}

async function sayIdle({ root, template }: ResourceOptions): Promise<void> {
  const peer = await openDriver(root, 'idle', template)
  try {
    const opened = await peer.ask('usage')
    say('private memory, opened', memoryOf(opened))
    await peer.ask(`up crun ${idleContainers} 4`)
    await delay(2000)
    const before = await peer.ask('usage')
    await delay(idleSeconds * 1000)
    const after = await peer.ask('usage')
    const used = (name: string): number => number(after, name) - number(before, name)
    say(
      `idle CPU with ${idleContainers} containers, ${idleSeconds} s`,
      `supervisor ${used('cpuMs')} ms, launcher ${used('launcherCpuMs')} ms`,
    )
    const more = number(after, 'privateKib') - number(opened, 'privateKib')
    const launcherMore = number(after, 'launcherPrivateKib') - number(opened, 'launcherPrivateKib')
    say(
      'private memory per running container',
      `${((more + launcherMore) / idleContainers / 1024).toFixed(2)} MiB`,
    )
    await peer.ask('down')
  } finally {
    await peer.quit()
  }
}

async function sayMany({ root, template, many }: ResourceOptions): Promise<void> {
  const peer = await openDriver(root, 'many', template)
  const timed = async (command: string): Promise<number> => {
    const beganMs = performance.now()
    await peer.ask(command)
    return performance.now() - beganMs
  }
  const sample = async (command: string, name: string): Promise<number> =>
    median((await peer.ask(command)).samples?.[name] ?? [])
  try {
    await peer.ask('oneshot crun 20')
    const alone = await sample('oneshot crun 20', 'oneshot')
    say(`${many} containers of crun started`, `${((await timed(`up crun ${many} 8`)) / 1000).toFixed(1)} s`)
    say(`… listed with their states`, `${(await sample('list', 'list')).toFixed(1)} ms`)
    const beside = await sample('oneshot crun 20', 'oneshot')
    say(
      '… a one-shot beside them',
      `${beside.toFixed(1)} ms; ${alone.toFixed(1)} ms without them: ${(beside / alone).toFixed(2)}`,
    )
    const before = await peer.ask('usage')
    await delay(idleSeconds * 1000)
    const after = await peer.ask('usage')
    const usedMs =
      number(after, 'cpuMs') +
      number(after, 'launcherCpuMs') -
      number(before, 'cpuMs') -
      number(before, 'launcherCpuMs')
    say('… idle', `${(usedMs / idleSeconds / 10).toFixed(1)} % of a core`)
    say('… opened again with recovery', `${(await sample('reopen', 'recover')).toFixed(0)} ms`)
    say('… all deleted', `${((await timed('down')) / 1000).toFixed(1)} s`)
  } finally {
    await peer.quit()
  }
}

function openDriver(root: string, name: string, template: string): Promise<Peer> {
  const directory = join(root, name)
  mkdirSync(directory, { mode: 0o700 })
  const program = new URL('peers/driver.ts', import.meta.url).pathname
  return openPeer({ name, argv: [process.execPath, program, '--root', directory, '--template', template] })
}

function memoryOf(answer: Answer): string {
  const [own, launcher] = [number(answer, 'privateKib') / 1024, number(answer, 'launcherPrivateKib') / 1024]
  return `${(own + launcher).toFixed(0)} MiB: supervisor ${own.toFixed(0)}, launcher ${launcher.toFixed(0)}`
}
