/** Completes runtime handlers: inheritance, the global conmon settings, defaults, and the rules that span several keys. */
import { posix } from 'node:path'
import type { CgroupManager, ConfigWarning, RuntimeHandler } from './config.ts'
import {
  containerCreateTimeoutMinMs,
  containerCreateTimeoutMs,
  runtimeTypeOci,
  runtimeTypeVm,
  shimNamePattern,
} from './constants.ts'
import type { HandlerSettings, Settings } from './settings.ts'
import { isSliceName } from './slice-name.ts'
import { configError, type Source } from './source.ts'

export interface HandlerContext {
  readonly settings: Settings
  readonly source: Source
  readonly defaultRuntime: string
  readonly cgroupManager: CgroupManager
  readonly runDir: string
  warn(warning: ConfigWarning): void
}

const namesShownMax = 20
const podCgroup = 'pod'
const systemdDefaultCgroup = 'system.slice'

/** All handlers by name, on an object without prototype. ERR_CONFIG when the default one is missing or has no path. */
export function resolveHandlers(context: HandlerContext): Readonly<Record<string, RuntimeHandler>> {
  const { settings, source, defaultRuntime } = context
  const ofDefault = Object.hasOwn(settings.runtimes, defaultRuntime)
    ? settings.runtimes[defaultRuntime]
    : undefined
  if (ofDefault === undefined) {
    const table = source.key(['runtimes', defaultRuntime])
    throw configError(
      source,
      source.key(['defaultRuntime']),
      `must name a configured handler, but there is no ${table}; configured handlers: ${handlerNames(settings.runtimes)}`,
    )
  }
  const handlers: Record<string, RuntimeHandler> = {}
  Object.setPrototypeOf(handlers, null)
  for (const [name, own] of Object.entries(settings.runtimes)) {
    const complete = own.inheritDefaultRuntime === true ? inherited(own, ofDefault, context) : own
    handlers[name] = resolveHandler(name, complete, context)
  }
  const first = handlers[defaultRuntime]
  if (first !== undefined && needsPath(first) && first.runtimePath === undefined) {
    const key = source.key(['runtimes', defaultRuntime, 'runtimePath'])
    throw configError(
      source,
      key,
      'must be the absolute path of the default runtime, which may not be looked up',
    )
  }
  return Object.freeze(handlers)
}

/** Our own types run a program; an embedder's may not. */
export function needsPath(handler: RuntimeHandler): boolean {
  return handler.runtimeType === runtimeTypeOci || handler.runtimeType === runtimeTypeVm
}

/** The names of handlers for a message, at most 20 of them. */
export function handlerNames(runtimes: object): string {
  const names = Object.keys(runtimes).toSorted()
  if (names.length === 0) return 'none'
  const shown = names.slice(0, namesShownMax).join(', ')
  return names.length > namesShownMax ? `${shown}, …` : shown
}

/** As CRI-O: the default handler's values win even over ones that are set. */
function inherited(
  own: HandlerSettings,
  ofDefault: HandlerSettings,
  context: HandlerContext,
): HandlerSettings {
  return {
    ...own,
    runtimePath: ofDefault.runtimePath,
    runtimeType: ofDefault.runtimeType,
    runtimeRoot: ofDefault.runtimeRoot ?? defaultRoot(context.defaultRuntime, context),
    runtimeConfigPath: ofDefault.runtimeConfigPath,
    ociRuntimePath: ofDefault.ociRuntimePath,
  }
}

function resolveHandler(name: string, own: HandlerSettings, context: HandlerContext): RuntimeHandler {
  const runtimeType = own.runtimeType ?? runtimeTypeOci
  const oci = runtimeType === runtimeTypeOci
  if (oci) refuseShimSettings(name, own, context)
  if (runtimeType === runtimeTypeVm) checkShim(name, own, context)
  return Object.freeze({
    runtimePath: own.runtimePath,
    runtimeType,
    runtimeRoot: own.runtimeRoot ?? defaultRoot(name, context),
    runtimeConfigPath: own.runtimeConfigPath,
    ociRuntimePath: own.ociRuntimePath,
    containerCreateTimeoutMs: createTimeout(name, own.containerCreateTimeoutMs, context),
    monitorPath: oci ? monitorPath(name, own.monitorPath, context) : own.monitorPath,
    monitorCgroup: oci ? monitorCgroup(name, own.monitorCgroup, context) : own.monitorCgroup,
    monitorEnv: Object.freeze([
      ...(oci ? monitorEnv(name, own.monitorEnv, context) : (own.monitorEnv ?? [])),
    ]),
    allowedAnnotations: Object.freeze([...(own.allowedAnnotations ?? [])]),
  })
}

function refuseShimSettings(name: string, own: HandlerSettings, { source }: HandlerContext): void {
  for (const setting of ['runtimeConfigPath', 'ociRuntimePath'] as const) {
    if (own[setting] === undefined) continue
    const key = source.key(['runtimes', name, setting])
    throw configError(source, key, `is for shims and must be empty when the type is "${runtimeTypeOci}"`)
  }
}

/** Each of the two has the shim take options of another kind. */
function checkShim(name: string, own: HandlerSettings, { source }: HandlerContext): void {
  const { runtimePath, runtimeConfigPath, ociRuntimePath } = own
  if (runtimePath !== undefined && !shimNamePattern.test(posix.basename(runtimePath))) {
    const key = source.key(['runtimes', name, 'runtimePath'])
    throw configError(source, key, `must be a shim, a program called containerd-shim-…, with the type "vm"`)
  }
  if (runtimeConfigPath === undefined || ociRuntimePath === undefined) return
  const key = source.key(['runtimes', name, 'ociRuntimePath'])
  const other = source.key(['runtimes', name, 'runtimeConfigPath'])
  throw configError(source, key, `must be empty when ${other} is set: a shim takes the one or the other`)
}

/** Below a directory of its own, or a handler called `exits` would share a directory with the exit files. */
function defaultRoot(name: string, context: HandlerContext): string {
  return `${context.runDir}/runtimes/${name}`
}

function createTimeout(name: string, configuredMs: number | undefined, context: HandlerContext): number {
  if (configuredMs === undefined || configuredMs === 0) return containerCreateTimeoutMs
  if (configuredMs >= containerCreateTimeoutMinMs) return configuredMs
  const key = context.source.key(['runtimes', name, 'containerCreateTimeoutMs'])
  const message = `${key} is below the minimum and is raised to ${containerCreateTimeoutMinMs / 1000} seconds`
  context.warn({ key, nearest: undefined, message })
  return containerCreateTimeoutMinMs
}

// Parity: the three global conmon settings are older than the handlers' and deprecated in CRI-O, yet they win there.

function monitorPath(name: string, own: string | undefined, context: HandlerContext): string | undefined {
  const global = context.settings.conmon
  if (global === undefined) return own
  if (own !== undefined && own !== global) warnOverridden(name, 'monitorPath', 'conmon', context)
  return global
}

function monitorEnv(name: string, own: readonly string[] = [], context: HandlerContext): readonly string[] {
  const global = context.settings.conmonEnv ?? []
  if (global.length === 0) return own
  if (own.length > 0 && own.join('\0') !== global.join('\0')) {
    warnOverridden(name, 'monitorEnv', 'conmonEnv', context)
  }
  return global
}

function monitorCgroup(name: string, own: string | undefined, context: HandlerContext): string | undefined {
  const global = context.settings.conmonCgroup
  if (global !== undefined && own !== undefined && own !== global) {
    warnOverridden(name, 'monitorCgroup', 'conmonCgroup', context)
  }
  const cgroup = global ?? own
  const systemd = context.cgroupManager === 'systemd'
  if (cgroup === undefined) return systemd ? systemdDefaultCgroup : undefined
  if (cgroup === podCgroup) return cgroup
  if (systemd && isSliceName(cgroup)) return cgroup
  // Configurations are switched to cgroupfs without touching this default; CRI-O forgives it too.
  if (!systemd && cgroup === systemdDefaultCgroup) return undefined
  const key = context.source.key(
    global === undefined ? ['runtimes', name, 'monitorCgroup'] : ['conmonCgroup'],
  )
  const right = systemd ? 'a systemd slice (*.slice)' : 'empty'
  throw configError(
    context.source,
    key,
    `must be "${podCgroup}" or ${right} with the cgroup manager ${context.cgroupManager}; it is ${JSON.stringify(cgroup)}`,
  )
}

function warnOverridden(
  name: string,
  setting: keyof HandlerSettings,
  globalSetting: keyof Settings,
  context: HandlerContext,
): void {
  const key = context.source.key(['runtimes', name, setting])
  const message = `${key} is overridden by ${context.source.key([globalSetting])}, as in CRI-O`
  context.warn({ key, nearest: undefined, message })
}
