import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { isOciError, type OciError } from '../../src/errors/index.ts'
import { killProcess, readIdentity } from '../../src/impl/process-identity.ts'
import {
  cgroupsOf,
  createEffect,
  effect,
  noAbort,
  openHost,
  processesNaming,
  runtimeNames,
  traces,
  until,
} from './oci-host.ts'
import { groupDirectory, hasUnifiedCgroups } from '../support/cgroups.ts'

const KILL = 9
const MiB = 1024 * 1024

async function errorOf(promise: Promise<unknown>): Promise<OciError> {
  const error: unknown = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  if (isOciError(error)) return error
  throw error
}

const groups = (pid: number) =>
  readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    .split('\n')
    .filter((line) => (hasUnifiedCgroups ? /^0::/ : /^\d+:(memory|cpuset|pids):/).test(line))

const hostPids = (spec: { linux?: { namespaces?: { type: string }[] } }) => {
  const namespaces = spec.linux?.namespaces ?? []
  if (spec.linux !== undefined) spec.linux.namespaces = namespaces.filter(({ type }) => type !== 'pid')
}

describe.each(runtimeNames)('RuntimeOCI on conmon and %s', (runtime) => {
  it('runs a container from create to delete and leaves nothing but its log', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sh', '-c', 'echo hello; exit 7'])
    const created = await host.impl.create(container, createEffect)
    expect(created.init).toEqual(await readIdentity(created.init.pid))
    expect((await host.impl.observe(container, effect)).status).toBe('created')
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    expect(await exit).toMatchObject({ id: container.id, code: 7 })
    await created.monitorGone
    expect(await host.impl.observe(container, effect)).toEqual({ status: 'stopped', init: undefined })
    expect(await host.impl.oomKilled(container, 7, effect)).toBe(false)
    await host.impl.delete(container, effect)
    expect(traces(host, container)).toEqual([])
    expect(readFileSync(container.logPath, 'utf8')).toMatch(/ stdout F hello\n$/)
    await host.impl.delete(container, effect)
  })

  it('keeps the monitor in a cgroup of its own below the given parent', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sleep', '1000'])
    const parent = `${container.id}-parent`
    const { monitor, init } = await host.impl.create(container, { signal: noAbort, cgroupParent: parent })
    const group = `/${parent}/crio-conmon-${container.id}`
    expect(groups(monitor?.pid ?? 0)).toHaveLength(hasUnifiedCgroups ? 1 : 3)
    expect(groups(monitor?.pid ?? 0).every((line) => line.endsWith(`:${group}`))).toBe(true)
    expect(groups(init.pid).some((line) => line.includes('crio-conmon'))).toBe(false)
    await host.impl.cleanUp(container, effect)
    expect(existsSync(groupDirectory('memory', group))).toBe(false)
    // Nobody had made it before, and nobody uses it any more.
    expect(cgroupsOf(parent)).toEqual([])
  })

  it('refuses an id whose monitor is another supervisor’s, and does not touch that', async () => {
    const [host, other] = [await openHost(runtime), await openHost(runtime)]
    const container = await host.container(['/bin/sleep', '1000'])
    const { monitor } = await host.impl.create(container, createEffect)
    const twin = await other.container(['/bin/sleep', '1000'], { container: { id: container.id } })
    expect(await errorOf(other.impl.create(twin, createEffect))).toMatchObject({
      code: 'ERR_CONTAINER_EXISTS',
      field: 'id',
    })
    await other.impl.cleanUp(twin, effect)
    expect(await readIdentity(monitor?.pid ?? 0)).toEqual(monitor)
  })

  it.each([
    ['/nope', 'ERR_COMMAND_NOT_FOUND'],
    ['nope', 'ERR_COMMAND_NOT_FOUND'],
    ['/proc', 'ERR_COMMAND_NOT_EXECUTABLE'],
  ])('refuses a container whose command is %s and leaves nothing, not even a log', async (command, code) => {
    const host = await openHost(runtime)
    const container = await host.container([command])
    const error = await errorOf(host.impl.create(container, createEffect))
    expect(error).toMatchObject({ code, containerId: container.id })
    expect(error.message).not.toMatch(/level=|time=/)
    await host.impl.cleanUp(container, effect)
    expect(traces(host, container)).toEqual([])
    expect(existsSync(container.logPath)).toBe(false)
    await host.impl.delete(container, effect)
  })

  it('keeps the log that was there before a create that failed', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/nope'])
    mkdirSync(container.dir, { mode: 0o700 })
    writeFileSync(container.logPath, 'old\n')
    await errorOf(host.impl.create(container, createEffect))
    expect(readFileSync(container.logPath, 'utf8')).toBe('old\n')
  })

  it('pauses and resumes, each also when it is so already', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sleep', '1000'])
    const { init } = await host.impl.create(container, createEffect)
    await host.impl.start(container, effect)
    expect(await host.impl.observe(container, effect)).toEqual({ status: 'running', init })
    await host.impl.pause(container, effect)
    await host.impl.pause(container, effect)
    expect((await host.impl.observe(container, effect)).status).toBe('paused')
    await host.impl.resume(container, effect)
    await host.impl.resume(container, effect)
    expect((await host.impl.observe(container, effect)).status).toBe('running')
    expect(await errorOf(host.impl.start(container, effect))).toMatchObject({ code: 'ERR_WRONG_STATUS' })
    expect(await errorOf(host.impl.delete(container, effect))).toMatchObject({ code: 'ERR_WRONG_STATUS' })
    expect((await host.impl.observe(container, effect)).status).toBe('running')
  })

  it('signals init by its identity and says when it is gone', async () => {
    const host = await openHost(runtime)
    const container = await host.container([
      '/bin/sh',
      '-c',
      'trap "exit 3" USR1; echo ready; while :; do sleep 0.01; done',
    ])
    const { init } = await host.impl.create(container, createEffect)
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    await until('the trap is set', () => readFileSync(container.logPath, 'utf8').includes('ready'))
    await host.impl.signal(container, init, 10, effect)
    expect(await exit).toMatchObject({ code: 3 })
    expect(await errorOf(host.impl.signal(container, init, KILL, effect))).toMatchObject({
      code: 'ERR_NOT_RUNNING',
    })
    for (const verb of ['start', 'pause', 'resume'] as const) {
      expect(await errorOf(host.impl[verb](container, effect))).toMatchObject({ code: 'ERR_NOT_RUNNING' })
    }
    expect((await host.impl.observe(container, effect)).status).toBe('stopped')
  })

  it('takes a killed container for killed and not for out of memory', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sleep', '1000'])
    const { init } = await host.impl.create(container, createEffect)
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    await host.impl.signal(container, init, KILL, effect)
    expect(await exit).toMatchObject({ code: 137 })
    expect(await host.impl.oomKilled(container, 137, effect)).toBe(false)
  })

  it('sees that the kernel ran out of memory, also after a restart and without the oom file', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/tail', '/dev/zero'], { memoryLimitBytes: 20 * MiB })
    const { monitorGone } = await host.impl.create(container, createEffect)
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    expect(await exit).toMatchObject({ code: 137 })
    await monitorGone
    expect(await host.impl.oomKilled(container, 137, effect)).toBe(true)
    rmSync(`${container.dir}/oom`, { force: true })
    rmSync(`${container.bundlePath}/oom`, { force: true })
    expect(await host.restarted().oomKilled(container, 137, effect)).toBe(true)
  })

  it('is not misled by a KILL that came too late', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/tail', '/dev/zero'], { memoryLimitBytes: 20 * MiB })
    const { init } = await host.impl.create(container, createEffect)
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    expect(await exit).toMatchObject({ code: 137 })
    expect(await errorOf(host.impl.signal(container, init, KILL, effect))).toMatchObject({
      code: 'ERR_NOT_RUNNING',
    })
    expect(await host.impl.oomKilled(container, 137, effect)).toBe(true)
    await host.impl.delete(container, effect)
  })

  it('does not blame a container for a child that ran out of memory', async () => {
    const host = await openHost(runtime)
    const script = '/bin/tail /dev/zero; echo survived; while [ ! -e /stop ]; do sleep 0.01; done; exit 5'
    const [clean, killed] = [
      await host.container(['/bin/sh', '-c', script], { memoryLimitBytes: 20 * MiB }),
      await host.container(['/bin/sh', '-c', script], { memoryLimitBytes: 20 * MiB }),
    ]
    for (const container of [clean, killed]) {
      const { init } = await host.impl.create(container, createEffect)
      const exit = host.exit(container)
      await host.impl.start(container, effect)
      await until('the child is dead', () => readFileSync(container.logPath, 'utf8').includes('survived'))
      if (container === killed) await host.impl.signal(container, init, KILL, effect)
      else writeFileSync(`${container.bundlePath}/rootfs/stop`, '')
      const { code } = await exit
      expect(code).toBe(container === killed ? 137 : 5)
      expect(await host.impl.oomKilled(container, code, effect)).toBe(false)
    }
  })

  it('kills what outlives init where the pid namespace is not its own', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sh', '-c', 'sleep 4321 & exec sleep 1234'], {
      change: hostPids,
    })
    const { init } = await host.impl.create(container, createEffect)
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    const procs = () =>
      readFileSync(`${groupDirectory('memory', container.id)}/cgroup.procs`, 'utf8')
        .split('\n')
        .filter(Boolean)
    await until(
      'both processes run',
      () => procs().length === 2 && processesNaming('sleep 1234').length === 1,
    )
    await host.impl.signal(container, init, KILL, effect)
    // conmon waits for the survivor to close the output before it writes the exit file.
    await until('init is dead', async () => (await host.impl.observe(container, effect)).status === 'stopped')
    expect(procs()).toHaveLength(1)
    await host.impl.killRemaining(container, effect)
    await until('nobody is left', () => procs().length === 0)
    expect(await exit).toMatchObject({ code: 137 })
    await host.impl.delete(container, effect)
    expect(traces(host, container)).toEqual([])
  })

  it('refuses an id that lives, and neither that nor its clean-up harms the living one', async () => {
    const host = await openHost(runtime)
    const container = await host.container([
      '/bin/sh',
      '-c',
      'while [ ! -e /stop ]; do sleep 0.01; done; exit 9',
    ])
    const { monitor } = await host.impl.create(container, createEffect)
    await host.impl.start(container, effect)
    const other = host.restarted()
    expect(await errorOf(other.create(container, createEffect))).toMatchObject({
      code: 'ERR_CONTAINER_EXISTS',
      field: 'id',
    })
    await other.cleanUp(container, effect)
    await other.delete(container, effect)
    expect(readFileSync(`${container.bundlePath}/conmon-pidfile`, 'utf8')).toBe(String(monitor?.pid))
    const exit = host.exit(container)
    writeFileSync(`${container.bundlePath}/rootfs/stop`, '')
    expect(await exit).toMatchObject({ code: 9 })
  })

  it('refuses an id whose monitor lives although its runtime forgot the container', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sleep', '1000'])
    await host.impl.create(container, createEffect)
    const state = `${host.config.runDir}/runtimes/${runtime}/${container.id}`
    renameSync(state, `${state}.away`)
    const error = await errorOf(host.restarted().create(container, createEffect))
    renameSync(`${state}.away`, state)
    expect(error.message).toContain('the monitor of a container')
    expect(error.code).toBe('ERR_CONTAINER_EXISTS')
  })

  it('makes the files of an earlier container of that id harmless', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sleep', '1000'])
    mkdirSync(container.dir, { mode: 0o700 })
    writeFileSync(`${host.config.containerExitsDir}/${container.id}`, '3')
    writeFileSync(`${container.dir}/oom`, '')
    writeFileSync(`${container.bundlePath}/conmon-pidfile`, String(process.ppid))
    const { init, monitor } = await host.impl.create(container, createEffect)
    expect(monitor?.pid).not.toBe(process.ppid)
    expect(existsSync(`${container.dir}/oom`)).toBe(false)
    const exit = host.exit(container)
    await host.impl.start(container, effect)
    await host.impl.signal(container, init, KILL, effect)
    expect(await exit).toMatchObject({ code: 137 })
    expect(await host.impl.oomKilled(container, 137, effect)).toBe(false)
  })

  it('ends a create that hangs in a hook, with the hook and everything it made', async () => {
    const host = await openHost(runtime)
    const mark = 123_456_789
    const container = await host.container(['/bin/true'], {
      change: (spec) => {
        spec['hooks'] = { prestart: [{ path: '/bin/sleep', args: ['sleep', String(mark)] }] }
      },
    })
    const abort = new AbortController()
    const create = errorOf(host.impl.create(container, { signal: abort.signal, cgroupParent: undefined }))
    await until('the hook runs', () => processesNaming(`sleep ${mark}`).length === 1)
    abort.abort()
    await host.impl.cleanUp(container, effect)
    expect(await create).toMatchObject({ code: 'ERR_ABORTED' })
    await until('the hook is gone', () => processesNaming(`sleep ${mark}`).length === 0)
    expect(traces(host, container)).toEqual([])
  })

  it('finds the monitor of a create that hangs although neither a pid file nor a note names it', async () => {
    const host = await openHost(runtime)
    const mark = 123_456_788
    const container = await host.container(['/bin/true'], {
      change: (spec) => {
        spec['hooks'] = { prestart: [{ path: '/bin/sleep', args: ['sleep', String(mark)] }] }
      },
    })
    const abort = new AbortController()
    const create = errorOf(host.impl.create(container, { signal: abort.signal, cgroupParent: undefined }))
    await until('the hook runs', () => processesNaming(`sleep ${mark}`).length === 1)
    abort.abort()
    await create
    rmSync(`${container.bundlePath}/conmon-pidfile`)
    rmSync(`${container.dir}/runtime-oci.json`)
    await host.restarted().cleanUp(container, effect)
    expect(processesNaming(container.bundlePath)).toEqual([])
    // Only the note knew of the hook.
    await host.impl.cleanUp(container, effect)
    await until('the hook is gone', () => processesNaming(`sleep ${mark}`).length === 0)
    expect(traces(host, container)).toEqual([])
  })

  it('cleans up a created container whose monitor was killed, after a restart', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sleep', '1000'])
    const { monitor, monitorGone } = await host.impl.create(container, createEffect)
    expect(monitor).toBeDefined()
    if (monitor !== undefined) killProcess(monitor, KILL)
    await monitorGone
    await host.restarted().cleanUp(container, effect)
    expect(traces(host, container)).toEqual([])
  })

  it('cleans up a running and a paused container, and reports the exit of both', async () => {
    const host = await openHost(runtime)
    for (const paused of [false, true]) {
      const container = await host.container(['/bin/sleep', '1000'])
      await host.impl.create(container, createEffect)
      await host.impl.start(container, effect)
      if (paused) await host.impl.pause(container, effect)
      const exit = host.exit(container)
      await host.impl.cleanUp(container, effect)
      expect(await exit).toMatchObject({ code: 137 })
      expect(traces(host, container)).toEqual([])
    }
  })

  it('deletes a container whose init is dead and was never reaped', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/sleep', '1000'])
    const { init, monitor } = await host.impl.create(container, createEffect)
    await host.impl.start(container, effect)
    if (monitor !== undefined) killProcess(monitor, KILL)
    await host.impl.signal(container, init, KILL, effect)
    await until('init is dead', async () => (await readIdentity(init.pid)) === undefined)
    await host.impl.delete(container, effect)
    expect(traces(host, container)).toEqual([])
  })

  it('takes only the word of the runtime for the absence of a container', async () => {
    const host = await openHost(runtime)
    const container = await host.container(['/bin/true'])
    expect(await host.impl.observe(container, effect)).toEqual({ status: 'absent', init: undefined })
    const root = `${host.config.runDir}/runtimes`
    rmSync(root, { recursive: true, force: true })
    mkdirSync(host.config.runDir, { recursive: true })
    writeFileSync(root, 'no directory')
    expect(await errorOf(host.impl.observe(container, effect))).toMatchObject({ code: 'ERR_RUNTIME_FAILED' })
    rmSync(root)
  })
})
