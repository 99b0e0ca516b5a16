/**
 * A shim whose every answer is scripted: its `start` is a script that prints an address, its server is this process, and
 * what it says to be its own process and that of its machine are children that sleep.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { filter, firstValueFrom } from 'rxjs'
import { afterAll, onTestFinished } from 'vitest'
import { openExitEvents } from '../../../src/actors/exit-events.ts'
import { defaultSpec, writeBundle } from '../../../src/bundle/bundle.ts'
import { defineConfig } from '../../../src/config/define-config.ts'
import type { ConfigInput, RuntimeHandlerInput } from '../../../src/config/config.ts'
import { Container, type ContainerOptions } from '../../../src/container.ts'
import { openLauncher, type Launcher } from '../../../src/impl/launcher/launcher.ts'
import type { ExitFact, RuntimeImpl } from '../../../src/impl/runtime-impl.ts'
import { Task } from '../../../src/impl/vm/messages/generated/task_pb.ts'
import { createRuntimeVm } from '../../../src/impl/vm/runtime-vm.ts'
import { RpcError } from '../../../src/impl/vm/ttrpc/rpc-error.ts'
import { handles, serveTtrpc, type Handler } from '../../../src/impl/vm/ttrpc/server.ts'
import { silentLogger } from '../../../src/surroundings/logger.ts'
import { makeContainerId, makeTempRoot } from '../../support/temp-root.ts'

export const effect = { signal: new AbortController().signal }
export const createEffect = { ...effect, cgroupParent: undefined, timeoutMs: 20_000 }

/** One for all tests of a file: it takes longest to start. */
let launcher: Promise<Launcher> | undefined
afterAll(async () => (await launcher)?.close())

export interface FakeHost {
  readonly root: string
  readonly runDir: string
  readonly impl: RuntimeImpl
  container(options?: Partial<ContainerOptions>): Promise<Container>
  exit(container: Container): Promise<ExitFact>
}

export interface ShimScript {
  /** Shell text of the shim's program. */
  readonly script: string
  /** Default: `containerd-shim-fake-v2`. */
  readonly name?: string
  readonly handler?: RuntimeHandlerInput
  readonly config?: Partial<ConfigInput>
  readonly environment?: Readonly<Record<string, string>>
}

/** RuntimeVM with a program of a script as its shim. Closed when the test is over. */
export async function openFakeHost(
  root: string,
  { script, name, handler, config: change, environment }: ShimScript,
): Promise<FakeHost> {
  const runtimePath = `${root}/${name ?? 'containerd-shim-fake-v2'}`
  writeFileSync(runtimePath, `#!/bin/sh\n${script}\n`)
  chmodSync(runtimePath, 0o755)
  const config = defineConfig({
    defaultRuntime: 'fake',
    runtimes: { fake: { runtimeType: 'vm', runtimePath, ...handler } },
    runDir: `${root}/run`,
    stateDir: `${root}/state`,
    ...change,
  })
  for (const directory of [config.runDir, config.containerExitsDir]) mkdirSync(directory, { mode: 0o700 })
  launcher ??= openLauncher()
  const exits = await openExitEvents({ directory: config.containerExitsDir })
  const impl = createRuntimeVm({
    config,
    launcher: await launcher,
    exits,
    logger: silentLogger,
    environment,
  })
  const containers: Container[] = []
  onTestFinished(async () => {
    for (const container of containers) await impl.cleanUp(container, effect)
    await impl.close()
    await exits.close()
  })
  return {
    root,
    runDir: config.runDir,
    impl,
    container: async (options = {}) => {
      const id = makeContainerId('fake')
      const bundlePath = `${root}/${id}`
      await writeBundle(bundlePath, defaultSpec({ rootfs: '/', args: ['/bin/true'] }))
      const container = new Container({ id, bundlePath, dir: `${root}/${id}-dir`, ...options })
      containers.push(container)
      return container
    },
    exit: (container) => firstValueFrom(impl.exits.exits$.pipe(filter(({ id }) => id === container.id))),
  }
}

/** Which answers are other than the usual ones. */
export type Answers = Partial<{
  readonly [Name in keyof (typeof Task)['method']]: AnswerOf<(typeof Task)['method'][Name]>
}>
type AnswerOf<Method> =
  Method extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>) => MessageInitShape<O> | Promise<MessageInitShape<O>>
    : never

export interface FakeShim extends FakeHost {
  /** The names of the methods that were called, in order. */
  readonly calls: readonly string[]
  readonly shim: ChildProcess
  readonly machine: ChildProcess
  /** Ends all connections and listens no more. */
  hangUp(): Promise<void>
  listenAgain(): Promise<void>
}

/** A shim as Kata's, in that the pid of a container is that of its machine. */
export async function openFakeShim(answers: Answers = {}, script?: Partial<ShimScript>): Promise<FakeShim> {
  const root = makeTempRoot()
  const socketPath = `${root}/s`
  const [shim, machine] = [await sleeper(), await sleeper()]
  const calls: string[] = []
  const handlers = handlersOf({ ...usual(shim, machine), ...answers }, calls)
  let server = await serveTtrpc(socketPath, handlers)
  onTestFinished(() => server.close())
  const answer = `{"version":2,"address":"unix://${socketPath}","protocol":"ttrpc"}`
  const host = await openFakeHost(root, { script: `echo '${answer}'`, ...script })
  return {
    ...host,
    calls,
    shim,
    machine,
    hangUp: () => server.close(),
    listenAgain: async () => {
      server = await serveTtrpc(socketPath, handlers)
    },
  }
}

export function never(): Promise<never> {
  return new Promise<never>(() => undefined)
}

function usual(shim: ChildProcess, machine: ChildProcess): Answers {
  const pid = machine.pid ?? 0
  let status = 0
  return {
    connect: () => ({ shimPid: shim.pid ?? 0, taskPid: pid }),
    state: ({ id }) => (status === 0 ? notThere() : { id, status, pid }),
    create: () => {
      status = 1
      return { pid }
    },
    start: () => {
      status = 2
      return { pid }
    },
    wait: never,
    kill: () => {
      status = 3
      return {}
    },
    delete: () => {
      status = 0
      return { pid }
    },
    shutdown: () => {
      shim.kill('SIGKILL')
      machine.kill('SIGKILL')
      return {}
    },
  }
}

function notThere(): never {
  throw new RpcError('State', 5, 'not there')
}

function handlersOf(answers: Answers, calls: string[]): Handler[] {
  const counted = <I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    answer: ((request: MessageShape<I>) => MessageInitShape<O> | Promise<MessageInitShape<O>>) | undefined,
  ): Handler[] =>
    answer === undefined
      ? []
      : [
          handles(method, (request) => {
            calls.push(method.name)
            return answer(request)
          }),
        ]
  const { method } = Task
  return [
    ...counted(method.connect, answers.connect),
    ...counted(method.state, answers.state),
    ...counted(method.create, answers.create),
    ...counted(method.start, answers.start),
    ...counted(method.wait, answers.wait),
    ...counted(method.kill, answers.kill),
    ...counted(method.delete, answers.delete),
    ...counted(method.shutdown, answers.shutdown),
    ...counted(method.stats, answers.stats),
    ...counted(method.closeIO, answers.closeIO),
    ...counted(method.exec, answers.exec),
  ]
}

async function sleeper(): Promise<ChildProcess> {
  const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' })
  await once(child, 'spawn')
  onTestFinished(async () => {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
    child.kill('SIGKILL')
    await ended
  })
  return child
}
