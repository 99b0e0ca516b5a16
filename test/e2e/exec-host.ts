/** Commands in containers on this host: a running container, and the exec port of RuntimeOCI beside it. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import type { Container } from '../../src/container.ts'
import { isOciError, type OciError } from '../../src/errors/index.ts'
import type { ExecPort, ExecRequest, ExecSession } from '../../src/impl/exec-port.ts'
import { openLauncher, type Launcher } from '../../src/impl/launcher/launcher.ts'
import { readCgroupMounts } from '../../src/impl/host/cgroups.ts'
import { createExecs } from '../../src/impl/oci/execs.ts'
import { ExecHome } from '../../src/impl/host/exec-home.ts'
import { openAttachBridge } from '../../src/impl/attach-bridge/client.ts'
import { openNotebook } from '../../src/impl/oci/notes.ts'
import type { OciWorld } from '../../src/impl/oci/world.ts'
import type { ProcessIdentity } from '../../src/impl/runtime-impl.ts'
import { silentLogger } from '../../src/surroundings/logger.ts'
import {
  createEffect,
  effect,
  openHost,
  until,
  type BundleOptions,
  type OciHost,
  type RuntimeName,
} from './oci-host.ts'

export interface ExecHost {
  readonly host: OciHost
  readonly execs: ExecPort
  readonly launcher: Launcher
  /** A container that sleeps. */
  readonly container: Container
  readonly init: ProcessIdentity
  /** Of the process that carries the streams of terminals. */
  readonly helperPid: () => number | undefined
  /** What commands have left on disk. */
  readonly leftovers: () => string[]
}

export async function openExecHost(
  runtime: RuntimeName,
  options: BundleOptions = {},
  args: readonly string[] = ['/bin/sleep', '1000'],
): Promise<ExecHost> {
  const host = await openHost(runtime)
  const launcher = await openLauncher({ logger: silentLogger })
  const { runDir } = host.config
  const attachBridge = openAttachBridge({ launcher, logger: silentLogger, directory: `${runDir}/bridge` })
  const home = new ExecHome({ runDir, launcher, env: { PATH: process.env['PATH'] ?? '' } })
  const execs = createExecs({ oci: worldOf(host, launcher), launcher, attachBridge, home })
  onTestFinished(() => launcher.close())
  onTestFinished(async () => {
    await execs.close()
    await home.close()
    await attachBridge.close()
  })
  const container = await host.container(args, options)
  const { init } = await host.impl.create(container, createEffect)
  await host.impl.start(container, effect)
  return {
    host,
    execs,
    launcher,
    container,
    init,
    helperPid: () => attachBridge.pid,
    leftovers: () => leftoversOf(host),
  }
}

/** As much of it as finding a container's place needs. */
function worldOf({ config, impl }: OciHost, launcher: Launcher): OciWorld {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return {
    config,
    launcher,
    exits: impl.exits,
    logger: silentLogger,
    environment: process.env,
    adopted: new WeakMap(),
    notebook: openNotebook(silentLogger),
    programs: new Map(),
    cgroupMounts: readCgroupMounts,
  } as Partial<OciWorld> as OciWorld
}

/** Directories of commands and FIFOs that are in use; the supply of fresh FIFOs does not count. */
function leftoversOf({ config }: OciHost): string[] {
  const base = `${config.runDir}/exec`
  if (!existsSync(base)) return []
  return readdirSync(base).flatMap((own) =>
    readdirSync(`${base}/${own}`, { withFileTypes: true }).flatMap((entry) =>
      entry.isFIFO() ? [] : [entry.name],
    ),
  )
}

export const sh = (script: string): string[] => ['/bin/sh', '-c', script]

export async function errorOf(promise: Promise<unknown>): Promise<OciError> {
  const error: unknown = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  if (isOciError(error)) return error
  throw error
}

/** A shell script with a terminal. */
export function startIn(
  { execs, container }: ExecHost,
  script: string,
  more: Partial<ExecRequest> = {},
): Promise<ExecSession> {
  return execs.startExec(container, { argv: sh(script), tty: true, ...more }, effect)
}

/** What a command says, as it says it. */
export interface Heard {
  readonly said: string
  until(part: string): Promise<void>
}

export function listen({ stdout }: ExecSession): Heard {
  const heard = {
    said: '',
    until: (part: string) => until(`it says ${part}`, () => heard.said.includes(part)),
  }
  stdout?.on('data', (chunk: Buffer) => (heard.said += chunk.toString('latin1')))
  return heard
}

export async function readAll(stream: Readable | undefined): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (stream !== undefined) await once(stream, 'end')
  return Buffer.concat(chunks)
}

export async function sha256(stream: Readable | undefined): Promise<{ sizeBytes: number; hash: string }> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  stream?.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length
    hash.update(chunk)
  })
  if (stream !== undefined) await once(stream, 'end')
  return { sizeBytes, hash: hash.digest('hex') }
}

export function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
