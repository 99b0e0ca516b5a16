/**
 * Attaching, in numbers: node bench/attach.ts [--runtime crun] [--hellos 1000] [--seconds 60]
 * Streams of all sizes compared by sha256, plain and through a terminal; `echo hi` attached before start; 1000 sizes of a
 * terminal; what a client that never reads costs the container. Exit code 1 when something was lost.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { Subject } from 'rxjs'
import { openExitEvents } from '../src/actors/exit-events.ts'
import { openAttachBridge } from '../src/impl/attach-bridge/client.ts'
import type { AttachOptions } from '../src/impl/attach-port.ts'
import { openLauncher } from '../src/impl/launcher/launcher.ts'
import { attach, type AttachWorld } from '../src/impl/oci/attach.ts'
import { createRuntimeOci } from '../src/impl/oci/runtime-oci.ts'
import { Container, defaultSpec, defineConfig, writeBundle } from '../src/index.ts'
import type { TerminalSize } from '../src/impl/terminal-size.ts'
import { silentLogger } from '../src/surroundings/logger.ts'
import { makeRootfs } from '../test/support/rootfs.ts'

const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'crun' },
    hellos: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '60' },
  },
})
const mebi = 1024 * 1024
const effect = { signal: new AbortController().signal }

const root = mkdtempSync(join(tmpdir(), 'bench-'))
const rootfs = makeRootfs(root)
const runtimePath = execFileSync('/bin/sh', ['-c', `command -v ${values.runtime}`], {
  encoding: 'utf8',
}).trim()
const config = defineConfig({
  defaultRuntime: values.runtime,
  runtimes: { [values.runtime]: { runtimePath } },
  runDir: join(root, 'run'),
  stateDir: join(root, 'state'),
  // Floods are not for the disk: conmon starts the log anew at this size.
  logSizeMaxBytes: 16 * mebi,
})
const launcher = await openLauncher()
const exits = await openExitEvents({ directory: config.containerExitsDir })
exits.exits$.subscribe()
const impl = createRuntimeOci({ config, launcher, exits, logger: silentLogger })
const bridge = openAttachBridge({ launcher, logger: silentLogger, directory: `${config.runDir}/bridge` })
const world: AttachWorld = { config, logger: silentLogger, attachBridge: bridge }

// Nothing of the library keeps a process alive by itself.
const alive = setInterval(() => undefined, 60_000)
let made = 0
let failures = 0

/** Runs a script to its end with the given clients attached before its start. */
async function run(script: string, terminal: boolean, clients: readonly AttachOptions[]): Promise<string[]> {
  return (await runToEnd(script, terminal, clients)).ends
}

async function runToEnd(
  script: string,
  terminal: boolean,
  clients: readonly AttachOptions[],
): Promise<{ readonly ends: string[]; readonly logPath: string }> {
  made += 1
  const id = `bench-${process.pid}-${made}`
  const bundlePath = join(root, id)
  const spec = defaultSpec({ rootfs, args: ['/bin/busybox', 'sh', '-c', script], cgroupsPath: `/${id}` })
  if (spec.process !== undefined) spec.process.terminal = terminal
  await writeBundle(bundlePath, spec)
  const container = new Container({ id, bundlePath, dir: `${bundlePath}-dir`, terminal })
  await impl.create(container, { ...effect, cgroupParent: undefined })
  const sessions = await Promise.all(clients.map((options) => attach(world, container, options, effect)))
  const exit = new Promise<void>((resolve) => {
    const subscription = exits.exits$.subscribe((fact) => {
      if (fact.id !== id) return
      subscription.unsubscribe()
      resolve()
    })
  })
  await impl.start(container, effect)
  const ends = await Promise.all(sessions.map(({ ended }) => ended))
  await exit
  await impl.delete(container, effect)
  return { ends: ends.map(({ reason }) => reason), logPath: container.logPath }
}

function hasher(): { stream: Writable; sizeBytes: () => number; digest: () => string; text: () => string } {
  const hash = createHash('sha256')
  let sizeBytes = 0
  let tail = ''
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk)
      sizeBytes += chunk.length
      tail = (tail + chunk.subarray(-200).toString('latin1')).slice(-200)
      done()
    },
  })
  return { stream, sizeBytes: () => sizeBytes, digest: () => hash.digest('hex'), text: () => tail }
}

function digestOfZeros(bytes: number): string {
  const hash = createHash('sha256')
  for (let left = bytes; left > 0; left -= mebi) hash.update(Buffer.alloc(Math.min(left, mebi)))
  return hash.digest('hex')
}

function report(what: string, ok: boolean, detail: string): void {
  if (!ok) failures += 1
  console.log(`${ok ? 'ok  ' : 'LOST'}  ${what.padEnd(34)} ${detail}`)
}

async function streams(terminal: boolean): Promise<void> {
  for (const bytes of [0, 1, 8191, 8192, 8193, 20 * 1024, 10 * mebi, 100 * mebi]) {
    const client = hasher()
    const script = `${terminal ? 'stty raw; ' : ''}head -c ${bytes} /dev/zero`
    const beganMs = performance.now()
    const [reason] = await run(script, terminal, [{ stdout: client.stream }])
    const tookMs = performance.now() - beganMs
    const same = client.digest() === digestOfZeros(bytes)
    const rate = bytes < mebi ? '' : `, ${Math.round(bytes / mebi / (tookMs / 1000))} MiB/s`
    report(
      `${terminal ? 'terminal' : 'stdout'}, ${bytes} bytes`,
      same && reason === 'exited',
      `${reason}, ${client.sizeBytes()} bytes${rate}`,
    )
  }
}

async function hellos(count: number): Promise<void> {
  let seen = 0
  const lanes = Array.from({ length: 4 }, async (_, lane) => {
    for (let done = lane; done < count; done += 4) {
      const client = hasher()
      await run('echo hi', false, [{ stdout: client.stream }])
      if (client.text() === 'hi\n') seen += 1
    }
  })
  await Promise.all(lanes)
  report('echo hi, attached before start', seen === count, `${seen} of ${count} saw it`)
}

async function sizes(rounds: number): Promise<void> {
  let last = 0
  for (let round = 0; round < rounds; round += 1) {
    const client = hasher()
    const resize$ = new Subject<TerminalSize>()
    const running = run('read go; stty size', true, [
      { stdout: client.stream, stdin: enterAfter(resize$), resize$ },
    ])
    await running
    if (client.text().includes('24 1000')) last += 1
  }
  report('1000 sizes in a row', last === rounds, `${last} of ${rounds} ended at the last`)
}

/** Sends the sizes, waits for them to settle, then presses the key the script waits for. */
function enterAfter(resize$: Subject<TerminalSize>): PassThrough {
  const stdin = new PassThrough()
  setTimeout(() => {
    for (let width = 1; width <= 1000; width += 1) resize$.next({ width, height: 24 })
    setTimeout(() => stdin.write('\n'), 500)
  }, 300)
  return stdin
}

/** Two containers at the same time, so that whatever else the host does is the same for both. */
async function flood(seconds: number): Promise<void> {
  const script = [
    `end=$(($(date +%s) + ${seconds})); n=0`,
    'while [ $(date +%s) -lt $end ]; do head -c 4194304 /dev/zero; n=$((n + 4)); done',
    'echo; echo wrote $n MiB >&2',
  ].join('; ')
  const [alone, watched] = await Promise.all([
    runToEnd(script, false, []),
    runToEnd(script, false, [{ stdout: new PassThrough({ highWaterMark: 1 }) }]),
  ])
  const aloneMiB = writtenMiB(alone.logPath)
  const watchedMiB = writtenMiB(watched.logPath)
  const lostPercent = (100 * (1 - watchedMiB / aloneMiB)).toFixed(1)
  report(
    `${seconds} s, a client that never reads`,
    watched.ends[0] === 'dropped',
    `${watchedMiB} MiB against ${aloneMiB} MiB without one (${lostPercent} % less); client: ${watched.ends[0]}`,
  )
}

function writtenMiB(logPath: string): number {
  const end = readFileSync(logPath, 'latin1').slice(-200)
  return Number(/wrote (\d+) MiB/.exec(end)?.[1])
}

try {
  await streams(false)
  await streams(true)
  await sizes(5)
  await hellos(Number(values.hellos))
  await flood(Number(values.seconds))
} finally {
  clearInterval(alive)
  await bridge.close()
  await impl.close()
  await exits.close()
  await launcher.close()
  rmSync(root, { recursive: true })
}
process.exitCode = failures === 0 ? 0 : 1
