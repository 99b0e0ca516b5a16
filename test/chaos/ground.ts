/**
 * The ground of one chaos run: a directory with everything a supervisor and its containers use, and programs that tell
 * the truth about themselves by files that only they write. Shared by the process that dies, the one that takes over and
 * the checker; made of paths only, so that it can be handed on as JSON.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const runtimePrograms = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const
export type RuntimeName = keyof typeof runtimePrograms

export interface Ground {
  readonly root: string
  /** Shared with other runs, and writable: the containers' files are below its tmp, named by their ids. */
  readonly rootfs: string
  readonly handler: RuntimeName
  /** All container ids of this run begin with it. */
  readonly idPrefix: string
  /** In place of the real programs. */
  readonly runtimePath?: string | undefined
  readonly conmon?: string | undefined
}

/** What a container's program does. The codes are what it exits with. */
export type Program = 'waits' | 'ends' | 'ignoresTerm' | 'sleeps'

const endCode = 7
const termCode = 9

/** It says that it runs, then what it is going to exit with; without pipes or pid files that could fail. */
export function programArgs(program: Program, id: string): string[] {
  const loop = `while [ ! -e /tmp/${id}.go ]; do sleep 0.02; done`
  const end = `echo ${endCode} >/tmp/${id}.code; exit ${endCode}`
  const begin = `: >/tmp/${id}.started`
  const scripts: Record<Program, string> = {
    waits: `trap 'echo ${termCode} >/tmp/${id}.code; exit ${termCode}' TERM; ${begin}; ${loop}; ${end}`,
    ends: `${begin}; ${end}`,
    ignoresTerm: `trap '' TERM; ${begin}; ${loop}; ${end}`,
    sleeps: `${begin}; exec sleep 1000`,
  }
  return ['/bin/sh', '-c', scripts[program]]
}

export interface Truth {
  /** Its program has begun. */
  readonly started: boolean
  /** What it said it would exit with, undefined when it was killed before or goes on. */
  readonly code: number | undefined
}

export function truthOf({ rootfs }: Ground, id: string): Truth {
  const marker = (name: string): string => join(rootfs, 'tmp', `${id}.${name}`)
  const text = existsSync(marker('code')) ? readFileSync(marker('code'), 'utf8').trim() : ''
  return { started: existsSync(marker('started')), code: text === '' ? undefined : Number(text) }
}

/** Lets a program that waits go on to its end. */
export function letGo({ rootfs }: Ground, id: string): void {
  writeFileSync(join(rootfs, 'tmp', `${id}.go`), '')
}

export function bundleOf({ root }: Ground, id: string): string {
  return join(root, 'b', id)
}

/** The program of a supervisor's launcher. */
export function launcherOf({ root }: Ground, whose: string): string {
  return join(root, `${whose}-launcher.mjs`)
}

/** Input of defineConfig. */
export function configInputOf({ root, handler, runtimePath, conmon }: Ground) {
  return {
    defaultRuntime: handler,
    runtimes: { [handler]: { runtimePath: runtimePath ?? runtimePrograms[handler] } },
    runDir: join(root, 'run'),
    stateDir: join(root, 'state'),
    ...(conmon === undefined ? {} : { conmon }),
  }
}

export function runtimeRootOf({ root, handler }: Ground): string {
  return join(root, 'run/runtimes', handler)
}

export function makeGround(ground: Ground): Ground {
  mkdirSync(join(ground.root, 'b'), { recursive: true })
  return ground
}
