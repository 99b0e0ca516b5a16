/**
 * Commands that an earlier supervisor left in shims when it was killed: nobody has their streams or hears of their end. So
 * they are ended and forgotten, with what they have started.
 *
 * Each command has a note in its directory, made before the shim hears of it. No other command in a shim is touched.
 */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { errnoOf, isOciError } from '../../errors/index.ts'
import { ioError, readTextFile } from '../../files.ts'
import { within } from '../launcher/deadlines.ts'
import { waitUntil } from '../host/waiting.ts'
import { readIdentity } from '../process-identity.ts'
import { endProcessTree } from '../process-tree.ts'
import { execIdExpression } from './exec-id.ts'
import { Task } from './messages/generated/task_pb.ts'
import type { Task as HeldTask } from './task.ts'
import { isRpcError, rpcStatus } from './ttrpc/rpc-error.ts'
import { belowShim, placeOf, type VmWorld } from './world.ts'

const noteName = 'command'
const noteMaxBytes = 4096
const noteSchema = z.object({ id: z.string(), execId: z.string().regex(execIdExpression) })

/** A command as shims name it: `id` is its container's. */
export type ExecName = Readonly<z.output<typeof noteSchema>>

const SIGKILL = 9
const SIGSTOP = 19
const callMs = 2000
const endMs = 2000
/** Of all of them: a shim that is mute delays nobody for longer. */
const allMaxMs = 5000
const statusCreated = 1
const statusStopped = 3
const never = new AbortController().signal

/** Notes a command that is about to be asked for, in its own directory. Throws ERR_IO. */
export async function noteExec(directory: string, name: ExecName): Promise<void> {
  const file = join(directory, noteName)
  try {
    await writeFile(file, JSON.stringify(name), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw ioError('write', file, error)
  }
}

/** `home`: of a supervisor that is no more. Ends its commands in the containers that this process has taken up. */
export async function endLeftExecs(world: VmWorld, home: string): Promise<void> {
  const names = await notedIn(home)
  const ends = Promise.all(names.map((name) => endLeft(world, name)))
  if ((await within(ends, allMaxMs)) === undefined)
    world.logger.warn({ count: names.length }, 'commands of an earlier supervisor are still being ended')
}

async function notedIn(home: string): Promise<readonly ExecName[]> {
  const directories = await readdir(home, { withFileTypes: true }).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return []
    throw ioError('list', home, error)
  })
  const names: ExecName[] = []
  for (const entry of directories) {
    const name = entry.isDirectory() ? await readNote(join(home, entry.name, noteName)) : undefined
    if (name !== undefined) names.push(name)
  }
  return names
}

/** Undefined when it was not written to its end: then nobody was asked for the command. */
async function readNote(file: string): Promise<ExecName | undefined> {
  const text = await readTextFile(file, {
    maxBytes: noteMaxBytes,
    code: 'ERR_STATE_CORRUPT',
    isPrivate: true,
  })
  try {
    return noteSchema.parse(JSON.parse(text ?? ''))
  } catch {
    return undefined
  }
}

/** Never rejects. */
async function endLeft(world: VmWorld, name: ExecName): Promise<void> {
  const task = await world.tasks.get(name.id)?.catch(() => undefined)
  // It has gone with its container.
  if (task === undefined) return
  try {
    if (await isRunning(task, name)) {
      await endDescendants(world, task, name)
      await task.shim.call(Task.method.kill, { ...name, signal: SIGKILL }, { timeoutMs: callMs })
      await waitUntil(async () => !(await isRunning(task, name)), endMs, never)
    }
    await task.shim.call(Task.method.delete, name, { timeoutMs: 2 * callMs })
  } catch (err) {
    if (isOverFor(err)) return
    world.logger.warn(
      { containerId: name.id, execId: name.execId, err },
      'a command of an earlier supervisor was not ended',
    )
  }
}

/** One that was asked for and never started has no process. */
async function isRunning({ shim }: HeldTask, name: ExecName): Promise<boolean> {
  const { status } = await shim.call(Task.method.state, name, { timeoutMs: callMs })
  return status !== statusStopped && status !== statusCreated
}

/** Where they are processes of this host; see exec-process.ts. */
async function endDescendants(world: VmWorld, { shim, container }: HeldTask, name: ExecName): Promise<void> {
  if ((await belowShim(world, await placeOf(world, container))) === undefined) return
  const { pid } = await shim.call(Task.method.state, name, { timeoutMs: callMs })
  const root = pid > 1 ? await readIdentity(pid) : undefined
  if (root === undefined) return
  await shim.call(Task.method.kill, { ...name, signal: SIGSTOP }, { timeoutMs: callMs })
  await endProcessTree(root, endMs)
}

function isOverFor(error: unknown): boolean {
  if (isRpcError(error, rpcStatus.notFound)) return true
  return isOciError(error) && ['ERR_NOT_RUNNING', 'ERR_UNKNOWN_TO_RUNTIME'].includes(error.code)
}
