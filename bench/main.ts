/**
 * This library beside the least that its work can cost: npm run bench [-- --help]
 *
 * The floor is a program in C that makes the same calls of conmon and the runtime and nothing else (bench/peers/floor.c); behind
 * a shim it is a client that makes the calls of the protocol by hand. Floor and library take turns in every round, the first of
 * a round rotates, and a ratio is that of one round: both had the same host. Nothing is subtracted, and no figure fails.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { defaultSpec } from 'oci-supervisor'
import { makeRootfs } from '../test/support/rootfs.ts'
import { openPeer, type Peer, type PeerProgram } from './peers/protocol.ts'
import { fsyncMs, measureResources } from './resources.ts'
import { median, quantile, ratioOf, Series } from './statistics.ts'

const help = `npm run bench -- [options]
  --rounds N          rounds that are measured, after one that is not (default 7)
  --runtimes A,B      of crun, runc, shim (default all)
  --only A,B          of life, oneshot, par4, par8, death, kill, exec, short (default all)
  --no-resources      leaves out CPU, memory, calls of the file system, import and open
  --many N            so many real containers at once (default 0: not; 1000 takes some minutes)
  --aged N            all again on a supervisor that has had N lives and N commands (default 0: not)
  --json FILE         writes every sample`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    runtimes: { type: 'string', default: 'crun,runc,shim' },
    only: { type: 'string', default: 'life,oneshot,par4,par8,death,kill,exec,short' },
    'no-resources': { type: 'boolean', default: false },
    many: { type: 'string', default: '0' },
    aged: { type: 'string', default: '0' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(help)
  process.exit()
}
const rounds = Number(values.rounds)
const runtimes = values.runtimes.split(',')
const only = new Set(values.only.split(','))

/** The commands of a round, with how often each repeats. A shim's floor knows `short` only. */
const commands: Readonly<Record<string, (handler: string) => string>> = {
  life: (handler) => `life ${handler} 4`,
  oneshot: (handler) => `oneshot ${handler} 6`,
  par4: (handler) => `par ${handler} 24 4`,
  par8: (handler) => `par ${handler} 32 8`,
  death: (handler) => `death ${handler} 4`,
  kill: (handler) => `kill ${handler} 4`,
  exec: (handler) => `exec ${handler} 8`,
  short: (handler) => `short ${handler} 4`,
}

const root = mkdtempSync(join(tmpdir(), 'bench-'))
const template = join(root, 'template.json')
const spec = defaultSpec({ rootfs: makeRootfs(root), args: ['@ARGS@'], cgroupsPath: '/@ID@' })
// The floor's template has one word in the place of all arguments.
const text = JSON.stringify(spec).replace('["@ARGS@"]', '"@ARGS@"')
writeFileSync(template, text)
const processFile = join(root, 'process.json')
writeFileSync(processFile, JSON.stringify({ ...spec.process, args: ['/bin/true'], terminal: false }))
const floorProgram = join(root, 'floor')
const source = new URL('peers/floor.c', import.meta.url).pathname
execFileSync('gcc', ['-O2', '-pthread', '-w', '-o', floorProgram, source])

const floor: PeerProgram = {
  name: 'floor',
  argv: [floorProgram],
  env: { PEERS_W: join(root, 'floor-work'), PEERS_TEMPLATE: template, PEERS_PROCESS: processFile },
}
const byHand: PeerProgram = peerOf('by hand', 'shim-by-hand.ts', [])
const fsync = peerOf('fsync', 'driver.ts', [])
const rename = peerOf('rename', 'driver.ts', ['--durability', 'rename'])

function peerOf(name: string, file: string, more: readonly string[]): PeerProgram {
  const directory = join(root, name.replace(' ', '-'))
  mkdirSync(directory, { mode: 0o700 })
  const program = new URL(`peers/${file}`, import.meta.url).pathname
  return { name, argv: [process.execPath, program, '--root', directory, '--template', template, ...more] }
}

function knows(peer: Peer, handler: string, command: string): boolean {
  if (peer.name === floor.name) return handler !== 'shim' && command !== 'short'
  if (peer.name === byHand.name) return handler === 'shim' && command === 'short'
  return handler !== 'shim' ? command !== 'short' : command === 'short'
}

type Results = Map<string, Series>

async function measure(peers: readonly Peer[]): Promise<Results> {
  const results: Results = new Map()
  for (let round = -1; round < rounds; round += 1) {
    for (const handler of runtimes) {
      for (const [command, lineOf] of Object.entries(commands)) {
        if (!only.has(command)) continue
        const first = (round + 1) % peers.length
        for (const peer of [...peers.slice(first), ...peers.slice(0, first)]) {
          if (!knows(peer, handler, command)) continue
          const { samples = {} } = await peer.ask(lineOf(handler))
          // The first round warms up programs, caches and compilers.
          if (round < 0) continue
          const key = `${handler} ${peer.name}`
          const series = results.get(key) ?? new Series()
          results.set(key, series)
          series.add(round, command.startsWith('par') ? { [command]: samples['rate'] ?? [] } : samples)
        }
      }
    }
    process.stderr.write(round < 0 ? 'warm-up done\n' : `round ${round + 1} of ${rounds} done\n`)
  }
  return results
}

/** Names as the floor has them, and which of its series ours are compared with. */
const comparedWith: Readonly<Record<string, string>> = { execsync: 'execsync' }
const isRate = (name: string): boolean => name.startsWith('par')

function printTable(title: string, results: Results): void {
  console.log(`\n## ${title}\n`)
  console.log('ms: median (p95); par: one-shots per second. Ratio: median of rounds [least, most].\n')
  for (const handler of runtimes) {
    const base = results.get(`${handler} ${handler === 'shim' ? byHand.name : floor.name}`)
    const ours = ['fsync', 'rename'].map((name) => results.get(`${handler} ${name}`))
    const names = ours[0]?.names ?? []
    if (names.length === 0) continue
    console.log(`| ${handler} | floor | fsync | ratio | rename | ratio |`)
    console.log('| --- | --- | --- | --- | --- | --- |')
    for (const name of names) {
      const baseName = comparedWith[name] ?? name
      const cells = [name, figures(base, baseName)]
      for (const series of ours) {
        const ratio = base && series && ratioOf(series.medians(name), base.medians(baseName))
        cells.push(
          figures(series, name),
          ratio === undefined
            ? ''
            : `${ratio.median.toFixed(2)} [${ratio.min.toFixed(2)}, ${ratio.max.toFixed(2)}]`,
        )
      }
      console.log(`| ${cells.join(' | ')} |`)
    }
    const runtimesOwn = base?.all('execruntime') ?? []
    if (runtimesOwn.length > 0)
      console.log(`| exec by the runtime itself | ${median(runtimesOwn).toFixed(1)} | | | | |`)
    console.log('')
  }
}

function figures(series: Series | undefined, name: string): string {
  const all = series?.all(name) ?? []
  if (all.length === 0) return ''
  const middle = median(all).toFixed(1)
  return isRate(name) ? middle : `${middle} (${quantile(all, 0.95).toFixed(1)})`
}

const open: Peer[] = []
try {
  console.log(
    `Node ${process.version}, ${availableParallelism()} CPUs, kernel ${release()}, ${new Date().toISOString().slice(0, 10)}; \`npm run bench -- ${process.argv.slice(2).join(' ')}\``,
  )
  console.log(`The disk: fsync of 2 KB in ${fsyncMs(root).toFixed(2)} ms (median)`)
  for (const program of [floor, byHand, fsync, rename]) open.push(await openPeer(program))
  const fresh = await measure(open)
  printTable('Beside the floor', fresh)
  if (values.json !== undefined) {
    const samples = Object.fromEntries(
      [...fresh].map(([key, series]) => [
        key,
        Object.fromEntries(series.names.map((name) => [name, series.all(name)])),
      ]),
    )
    writeFileSync(values.json, JSON.stringify(samples))
  }
  if (!values['no-resources']) {
    const driver = open.find(({ name }) => name === 'fsync')
    if (driver !== undefined)
      await measureResources(driver, { root, template, runtimes, many: Number(values.many) })
  }
  if (Number(values.aged) > 0) {
    for (const peer of open.filter(({ name }) => name === 'fsync' || name === 'rename')) {
      await peer.ask(`par crun ${values.aged} 8`)
      await peer.ask(`execs crun ${values.aged} 8`)
    }
    printTable(`After ${values.aged} lives and ${values.aged} commands`, await measure(open))
  }
} finally {
  for (const peer of open) await peer.quit().catch((error: unknown) => console.error(error))
  rmSync(root, { recursive: true, force: true })
}
