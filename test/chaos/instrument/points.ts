/**
 * What instrumented code passes at every await: named points, at which a process can be made to record what it does or
 * to die. One instance per process; without a plan nothing happens.
 *
 * A passage is a point with its edge: `<` before the awaited expression begins, `>` after it has settled well.
 */
import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { noteCalls, noteEffectsTo } from './faults.ts'

export interface CrashPlan {
  /** `file:function:ordinal` and the edge. */
  readonly point: string
  /** The how manieth passage kills, from 1. */
  readonly passage: number
}

export interface ChaosPlan {
  /** Passages and effects are appended here, each with the process's name. */
  readonly trace?: { readonly file: string; readonly process: string } | undefined
  readonly crash?: CrashPlan | undefined
  /** Made in the moment of the crash. */
  readonly diedFile: string
  /** Nothing counts before `openWindow` is called. */
  readonly waitsForWindow: boolean
}

let plan: ChaosPlan | undefined
let counting = false
let passagesLeft = 0

export function setPlan(given: ChaosPlan): void {
  plan = given
  passagesLeft = given.crash?.passage ?? 0
  // A launcher's answers.
  if (process.send !== undefined) noteCalls(process, 'send', 'reply')
  if (!given.waitsForWindow) openWindow()
}

/** The plan holds for the first process that finds no such file, and makes it. */
export function setFirstPlan(given: ChaosPlan, marker: string): void {
  const { crash: _, ...harmless } = given
  setPlan(existsSync(marker) ? harmless : given)
  writeFileSync(marker, '')
}

export function before(point: string): void {
  if (counting) pass(`${point}<`)
}

/** Hands the awaited value on. */
export function after<T>(point: string, value?: T): T | undefined {
  if (counting) pass(`${point}>`)
  return value
}

export function openWindow(): void {
  counting = true
  if (plan?.trace !== undefined) noteEffectsTo((effect) => trace(`! ${effect}`))
}

export function closeWindow(): void {
  counting = false
  noteEffectsTo(undefined)
}

function pass(passage: string): void {
  trace(passage)
  if (plan?.crash?.point !== passage) return
  passagesLeft -= 1
  if (passagesLeft > 0) return
  writeFileSync(plan.diedFile, '')
  // The kernel delivers it before kill(2) returns: not one instruction more of ours is run.
  process.kill(process.pid, 'SIGKILL')
}

function trace(line: string): void {
  if (plan?.trace !== undefined) appendFileSync(plan.trace.file, `${plan.trace.process} ${line}\n`)
}
