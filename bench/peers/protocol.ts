/**
 * What a peer of the benchmark is: a program that does the same work for containers in its own way. It reads a command a line
 * on stdin and answers each with a line of JSON. `floor.c` and `driver.ts` speak the whole of it, `shim-by-hand.ts` a part.
 *
 *     life H N        create, start, state, exec twice, pause, unpause, stop (TERM heard), delete
 *     short H N       create, start, stop by KILL, delete
 *     oneshot H N     /bin/true from create to delete
 *     par H N K       N one-shots, K in flight
 *     death H N       from the death of the process until that is known
 *     kill H N        a stop by KILL
 *     exec H N        /bin/true in a container: by a monitor, and by the runtime itself where that is another way
 *     up H N, down    N containers that sleep, and their end
 *
 * H is the handler: crun, runc, or shim (containerd-shim-runc-v2 with runc).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { z } from 'zod'

const answerSchema = z.looseObject({
  /** Milliseconds (for `rate`: per second) by what was measured. */
  samples: z.record(z.string(), z.array(z.number())).optional(),
  /** How often a runtime gave up and was asked again. */
  bad: z.number().optional(),
})
export type Answer = z.output<typeof answerSchema>
export type Samples = NonNullable<Answer['samples']>

export interface Peer {
  readonly name: string
  readonly pid: number
  ask(command: string): Promise<Answer>
  quit(): Promise<void>
}

export interface PeerProgram {
  readonly name: string
  readonly argv: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
}

export async function openPeer({ name, argv: [file, ...args], env = {} }: PeerProgram): Promise<Peer> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const read = async (asked: string): Promise<Answer> => {
    const line = await lines.next()
    if (line.done === true)
      throw new Error(`${name} ended without an answer to: ${asked} (${await endOf(child, exited)})`)
    return answerSchema.parse(JSON.parse(line.value))
  }
  await read('its start')
  return {
    name,
    pid: child.pid ?? 0,
    ask: async (command) => {
      child.stdin.write(`${command}\n`)
      return read(command)
    },
    quit: async () => {
      child.stdin.end('quit\n')
      await exited
    },
  }
}

async function endOf(child: ChildProcess, exited: Promise<unknown[]>): Promise<string> {
  await exited
  return String(child.exitCode ?? child.signalCode)
}

/** The peer's side in JavaScript: answers line by line until `quit` or the end of stdin. */
export async function serve(answer: (command: readonly string[]) => Promise<Answer>): Promise<void> {
  say({ ready: true, pid: process.pid })
  for await (const line of createInterface({ input: process.stdin })) {
    const command = line.split(' ')
    if (command[0] === 'quit') break
    say(await answer(command))
  }
}

const say = (line: Answer): boolean => process.stdout.write(`${JSON.stringify(line)}\n`)

/** Collects samples by name. */
export class Stopwatch {
  readonly samples: Record<string, number[]> = {}

  add(name: string, value: number): void {
    ;(this.samples[name] ??= []).push(value)
  }

  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const beganMs = performance.now()
    const result = await work()
    this.add(name, performance.now() - beganMs)
    return result
  }
}
