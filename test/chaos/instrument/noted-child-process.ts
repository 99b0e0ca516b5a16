/** Stands in for node:child_process in instrumented code: starting a process and speaking to it are effects. */
import { ChildProcess, spawn as reallySpawn } from 'node:child_process'
import { noteCalls, noteEffect } from './faults.ts'

export * from 'node:child_process'

export const spawn: typeof reallySpawn = new Proxy(reallySpawn, {
  apply: (target, self, args): unknown => {
    noteEffect('spawn')
    const child: unknown = Reflect.apply(target, self, args)
    if (child instanceof ChildProcess) noteCalls(child, 'send', 'send')
    return child
  },
})
