/** The launcher with a real monitor and a real runtime: what fake monitors cannot show. */
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { FifoEnd } from '../../../src/impl/fifo.ts'
import type { MonitorCommand } from '../../../src/impl/launcher/launcher.ts'
import {
  containing,
  env,
  expectCreated,
  isAlive,
  killAtEnd,
  makeFifo,
  readPid,
  scratchDir,
  testLauncher,
  waitFor,
} from './support.ts'

const noMove = async () => undefined

interface Bundle {
  readonly id: string
  readonly dir: string
  readonly monitor: MonitorCommand
  runtime(...args: string[]): { argv: [string, ...string[]]; env: typeof env; timeoutMs: number }
}

function busyboxBundle(args: string[], runtimePath = '/usr/sbin/runc'): Bundle {
  const id = `launcher-${randomBytes(6).toString('hex')}`
  const top = scratchDir()
  const dir = join(top, 'bundle')
  const bin = join(dir, 'rootfs/bin')
  for (const path of [
    bin,
    join(dir, 'rootfs/proc'),
    join(top, 'exits'),
    join(top, 'sockets'),
    join(top, 'root'),
  ])
    mkdirSync(path, { recursive: true })
  copyFileSync('/bin/busybox', join(bin, 'busybox'))
  chmodSync(join(bin, 'busybox'), 0o755)
  for (const name of ['sh', 'sleep']) symlinkSync('busybox', join(bin, name))
  writeFileSync(join(dir, 'config.json'), JSON.stringify(spec(args)))
  const root = `--root=${join(top, 'root')}`
  onTestFinished(() => {
    execFileSync('/usr/sbin/runc', [root, 'delete', '--force', id], { stdio: 'ignore' })
  })
  const monitorArgs = ['-b', dir, '-c', id, '-n', id, '-u', id, '-r', runtimePath, '--runtime-arg', root]
  const files = ['-l', join(top, 'log'), '-P', join(dir, 'conmon-pidfile'), '-p', join(dir, 'pidfile')]
  const dirs = [
    '--exit-dir',
    join(top, 'exits'),
    '--socket-dir-path',
    join(top, 'sockets'),
    '--persist-dir',
    top,
  ]
  return {
    id,
    dir,
    monitor: {
      argv: ['conmon', ...monitorArgs, ...files, ...dirs, '--log-level', 'info'],
      env: { ...env, _OCI_SYNCPIPE: '3', _OCI_STARTPIPE: '4' },
      cwd: dir,
      timeoutMs: 60_000,
      syncFifo: makeFifo(top),
    },
    runtime: (...rest) => ({ argv: ['/usr/sbin/runc', root, ...rest], env, timeoutMs: 60_000 }),
  }
}

function spec(args: string[]): object {
  return {
    ociVersion: '1.0.2',
    process: { user: { uid: 0, gid: 0 }, args, env: ['PATH=/bin'], cwd: '/' },
    root: { path: 'rootfs' },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: { namespaces: ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })) },
  }
}

describe('conmon with runc', () => {
  it('creates a container whose monitor and sync pipe outlive the launcher', async () => {
    const launcher = await testLauncher()
    const bundle = busyboxBundle(['sleep', '600'])
    const created = expectCreated(await launcher.spawnMonitor(bundle.monitor, noMove))
    const monitor = readPid(bundle.dir, 'conmon-pidfile')
    expect(readPid(bundle.dir, 'pidfile')).toBe(created.containerPid)
    expect(isAlive(created.containerPid)).toBe(true)

    const lost = launcher.pid ?? 0
    process.kill(lost, 'SIGKILL')
    await waitFor('the loss is noticed', () => launcher.pid === undefined)
    const state = await launcher.run(bundle.runtime('state', bundle.id))
    expect(JSON.parse(state.stdout)).toMatchObject({ status: 'created', pid: created.containerPid })
    expect(isAlive(monitor)).toBe(true)

    const sync = new Socket({ fd: FifoEnd.toRead(bundle.monitor.syncFifo).take(), writable: false }).resume()
    process.kill(monitor, 'SIGKILL')
    await once(sync, 'end')
  })

  it('hands nothing but its three standard streams to the container', async () => {
    const launcher = await testLauncher()
    const bundle = busyboxBundle(['sleep', '600'])
    const created = expectCreated(await launcher.spawnMonitor(bundle.monitor, noMove))
    expect((await launcher.run(bundle.runtime('start', bundle.id))).exitCode).toBe(0)
    const init = `/proc/${created.containerPid}`
    const { stdout } = await launcher.run({
      argv: ['sh', '-c', `until tr '\\0' ' ' <${init}/cmdline | grep -q sleep; do :; done; ls ${init}/fd`],
      env,
      timeoutMs: 60_000,
    })
    expect(stdout.trim().split('\n')).toEqual(['0', '1', '2'])
  })

  it('passes on the words of a runtime that refuses', async () => {
    const launcher = await testLauncher()
    const outcome = await launcher.spawnMonitor(busyboxBundle(['/nope']).monitor, noMove)
    expect(outcome).toMatchObject({ kind: 'refused', message: containing('/nope') })
  })

  it('passes on the words of a monitor that fails before its fork', async () => {
    const launcher = await testLauncher()
    const outcome = await launcher.spawnMonitor(busyboxBundle(['sleep'], '/no/runtime').monitor, noMove)
    expect(outcome).toMatchObject({
      kind: 'exited',
      exitCode: 1,
      stderrTail: containing('/no/runtime'),
    })
  })

  it('is killed without a trace in the runtime when it may not start', async () => {
    const launcher = await testLauncher()
    const bundle = busyboxBundle(['sleep', '600'])
    const failing = launcher.spawnMonitor(bundle.monitor, () => Promise.reject(new Error('no cgroup')))
    await expect(failing).rejects.toThrow('no cgroup')
    expect((await launcher.run(bundle.runtime('list', '-q'))).stdout).toBe('')
    expect(existsSync(join(bundle.dir, 'conmon-pidfile'))).toBe(false)
  })

  it('when timed out leaves a daemon that its pid file names, and the runtime dies with that', async () => {
    const launcher = await testLauncher()
    const hanging = join(scratchDir(), 'runtime.sh')
    writeFileSync(hanging, '#!/bin/sh\necho $$ >runtime-pid\nexec sleep 600\n', { mode: 0o755 })
    const bundle = busyboxBundle(['sleep', '600'], hanging)
    const outcome = await launcher.spawnMonitor({ ...bundle.monitor, timeoutMs: 1000 }, noMove)
    expect(outcome.kind).toBe('timedOut')
    const daemon = killAtEnd(readPid(bundle.dir, 'conmon-pidfile'))
    expect(isAlive(daemon)).toBe(true)
    const runtime = killAtEnd(readPid(bundle.dir, 'runtime-pid'))
    process.kill(daemon, 'SIGKILL')
    await waitFor('the runtime is dead', () => !isAlive(runtime))
  })
})
