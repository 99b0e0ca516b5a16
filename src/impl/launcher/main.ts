/**
 * The launcher: a small process of its own that spawns monitors and runtime commands for the supervisor.
 *
 * Spawning from the embedder's process would stall its event loop in proportion to its memory, and would hand down its
 * open files and its raised limits. It keeps no state that matters: when it dies, containers and monitors go on.
 *
 * It ends when the supervisor's end of the lifeline closes, and not before: service managers send SIGTERM to every
 * process of a unit, while the embedder still needs us to stop its containers. The lifeline is a pipe of our own: the kernel
 * tells its end, whatever state Node's channel is in.
 */
import { stat } from 'node:fs'
import { Socket } from 'node:net'
import { isError, messageOf } from '../../errors/index.ts'
import { AttendedProcesses } from './attend-child.ts'
import { closeInheritedFds, lowerOpenFileLimit } from './inherited.ts'
import {
  type MonitorRequest,
  type Reply,
  type Request,
  type RunRequest,
  lifelineFd,
  parseRequest,
  protocolVersion,
} from './protocol.ts'
import { runCommand } from './run-command.ts'
import { spawnMonitor } from './spawn-monitor.ts'

/** How long what has begun may go on when nobody waits for it any more. */
const orphanGraceMs = 10_000
/** Beyond that: what is killed is dead by then, or cannot be killed. */
const orphanKillMs = 5000

interface Activity {
  readonly abort: AbortController
  /** Absent for commands, which need no start byte. */
  readonly go: (() => void) | undefined
  started: boolean
}

const activities = new Map<number, Activity>()
const attended = new AttendedProcesses(tell)
let orphaned = false

function handle(request: Request): void {
  // It was on its way when the supervisor died.
  if (orphaned) return
  switch (request.type) {
    case 'attend':
      void attended.attend(request).then(endIfDone)
      break
    case 'dismiss':
      attended.dismiss(request.id)
      break
    case 'run':
      void follow(request.id, run(request))
      break
    case 'monitor':
      void follow(request.id, monitor(request))
      break
    case 'start': {
      const activity = activities.get(request.id)
      if (activity === undefined) break
      activity.started = true
      activity.go?.()
      break
    }
    case 'abort':
      // An unknown id has been answered already; the two messages crossed.
      activities.get(request.id)?.abort.abort()
      break
    case 'ping':
      tell({ type: 'pong', id: request.id })
      break
  }
}

/** A rejection here is a defect: it ends the launcher through `uncaughtException`, which all requests then learn. */
async function follow(id: number, activity: Promise<Reply>): Promise<void> {
  const reply = await activity
  activities.delete(id)
  tell(reply)
  endIfDone()
}

async function run(request: RunRequest): Promise<Reply> {
  const { id } = request
  const abort = new AbortController()
  activities.set(id, { abort, go: undefined, started: true })
  const result = await runCommand(request, abort.signal)
  return result === 'aborted' ? { type: 'aborted', id } : { type: 'ran', id, result }
}

async function monitor(request: MonitorRequest): Promise<Reply> {
  const { id } = request
  const abort = new AbortController()
  const { promise: go, resolve } = Promise.withResolvers<void>()
  activities.set(id, { abort, go: resolve, started: false })
  const answer = await spawnMonitor(request, {
    go,
    abort: abort.signal,
    onSpawned: (pid) => tell({ type: 'spawned', id, pid }),
  })
  return answer === 'aborted' ? { type: 'aborted', id } : { type: 'monitored', id, answer }
}

function tell(reply: Reply): void {
  // The callback swallows a closed channel: the supervisor's end has an event of its own.
  if (process.connected) process.send?.(reply, undefined, undefined, () => undefined)
}

/** The supervisor is gone. What has not begun is killed; what has is brought to an end that `recover` understands. */
function onOrphaned(): void {
  if (orphaned) return
  orphaned = true
  for (const activity of activities.values()) {
    if (!activity.started) activity.abort.abort()
    else setTimeout(() => activity.abort.abort(), orphanGraceMs)
  }
  setTimeout(() => process.exit(1), orphanGraceMs + orphanKillMs)
  void attended.orphan().then(endIfDone)
}

function endIfDone(): void {
  if (orphaned && activities.size === 0 && attended.size === 0) process.exit(0)
}

/** Monitors that wait for their start byte would take our end for it (see spawn-monitor.ts). */
function onDefect(error: unknown): void {
  for (const activity of activities.values()) if (!activity.started) activity.abort.abort()
  process.stderr.write(`${isError(error) ? error.stack : messageOf(error)}\n`, () => process.exit(1))
  setTimeout(() => process.exit(1), 100)
}

function main(): void {
  if (process.send === undefined) throw new Error('this program is started by the supervisor, not by hand')
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
  // Whoever read it may be gone; a failed complaint must not become the next one.
  process.stderr.on('error', () => undefined)
  process.on('uncaughtException', onDefect)
  // With a strict one of the embedder's the runtimes make mount points that only root can enter.
  process.umask(0o022)
  closeInheritedFds()
  const note = lowerOpenFileLimit(Number(process.argv[2]))
  new Socket({ fd: lifelineFd })
    .on('close', onOrphaned)
    .on('error', () => undefined)
    .resume()
  process.on('message', (message) => {
    const request = parseRequest(message)
    if (request === undefined) throw new Error(`not a request: ${JSON.stringify(message).slice(0, 200)}`)
    handle(request)
  })
  const hello = { type: 'hello', protocol: protocolVersion, notes: note === undefined ? [] : [note] } as const
  // libuv makes its threads at the first asynchronous call, and aborts when it cannot: later, on a host without room for
  // more threads, that would be the end of us.
  stat('/', () => tell(hello))
}

main()
