/**
 * The floor behind a shim: what the protocol asks of any client of containerd-shim-runc-v2, and nothing else. It starts the
 * shim, connects, makes the calls, reads both outputs to their end and waits for the shim's; nothing of it is on disk but
 * the FIFOs, which are there before they are needed. Knows `short` only.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openLauncher } from '../../src/impl/launcher/launcher.ts'
import { packMessage } from '../../src/impl/vm/messages/any.ts'
import { OptionsSchema } from '../../src/impl/vm/messages/generated/runc-options_pb.ts'
import { Task } from '../../src/impl/vm/messages/generated/task_pb.ts'
import { shimEnvironment, shimStartArguments, socketOfAnswer } from '../../src/impl/vm/shim/shim-command.ts'
import { dialTtrpc } from '../../src/impl/vm/ttrpc/client.ts'
import { serve, Stopwatch, type Answer } from './protocol.ts'

const { values } = parseArgs({
  options: { root: { type: 'string', default: '' }, template: { type: 'string', default: '' } },
})
const { O_RDONLY, O_RDWR, O_NONBLOCK } = constants
const { method } = Task
const shimPath = '/usr/bin/containerd-shim-runc-v2'
const binaryName = execFileSync('/bin/sh', ['-c', 'command -v runc'], { encoding: 'utf8' }).trim()
const template = readFileSync(values.template, 'utf8')
const launcher = await openLauncher()
const alive = setInterval(() => undefined, 60_000)
let made = 0

async function short(watch: Stopwatch): Promise<void> {
  made += 1
  const id = `sh${process.pid}-${made}`
  const bundle = join(values.root, 'by-hand', id)
  mkdirSync(bundle, { recursive: true, mode: 0o700 })
  writeFileSync(
    join(bundle, 'config.json'),
    template.replace('"@ARGS@"', '["/bin/sleep","1000"]').replace('@ID@', id),
  )
  const fifos = ['log', 'out', 'err'].map((name) => join(bundle, name))
  execFileSync('mkfifo', fifos)
  const packed = packMessage(OptionsSchema, { binaryName, root: join(values.root, 'by-hand-runc') })
  const request = { id, bundle, options: { $typeName: 'google.protobuf.Any' as const, ...packed } }
  await watch.time('short', async () => {
    const { shim, ended, outputs, ends } = await watch.time('create', async () => {
      const held = fifos.map((path) => openSync(path, O_RDWR | O_NONBLOCK))
      const read = fifos.slice(1).map((path) => readToEnd(openSync(path, O_RDONLY | O_NONBLOCK)))
      const { stdout } = await launcher.run({
        argv: shimStartArguments({ shimPath, containerId: id, debug: false }),
        env: shimEnvironment({ PATH: process.env['PATH'] ?? '' }, ''),
        cwd: bundle,
        timeoutMs: 30_000,
      })
      const client = await dialTtrpc(socketOfAnswer(stdout), { namespace: 'default', timeoutMs: 10_000 })
      await client.call(method.connect, { id })
      await client.call(method.create, { ...request, stdout: fifos[1] ?? '', stderr: fifos[2] ?? '' })
      return { shim: client, ended: client.call(method.wait, { id }), outputs: read, ends: held }
    })
    await watch.time('start', async () => {
      await shim.call(method.start, { id })
      // The shim has its ends open: when it closes them, that is the end.
      for (const end of ends.splice(1)) closeSync(end)
    })
    await watch.time('killstop', async () => {
      await shim.call(method.kill, { id, signal: 9 })
      await Promise.all([ended, ...outputs])
    })
    await watch.time('delete', async () => {
      await shim.call(method.delete, { id })
      await shim.call(method.shutdown, { id }).catch(() => undefined)
      await shim.closed
      for (const end of ends) closeSync(end)
    })
  })
  rmSync(bundle, { recursive: true })
}

function readToEnd(fd: number): Promise<void> {
  return new Promise((resolve) => {
    new Socket({ fd, readable: true, writable: false }).once('end', resolve).resume()
  })
}

async function answer([command, , n]: readonly string[]): Promise<Answer> {
  if (command !== 'short') throw new Error(`unknown command ${command}`)
  const watch = new Stopwatch()
  for (let turn = 0; turn < Number(n); turn += 1) await short(watch)
  return { samples: watch.samples }
}

await serve(answer)
await launcher.close()
clearInterval(alive)
