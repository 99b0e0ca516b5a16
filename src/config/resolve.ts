/** From checked values to a complete configuration: defaults, and the rules that span several keys. */
import type { Config, ConfigWarning } from './config.ts'
import { ctrStopTimeoutMinSeconds, defaultRunDir, defaultRuntimeName, defaultStateDir } from './constants.ts'
import { resolveHandlers } from './handlers.ts'
import type { Settings } from './settings.ts'
import { configError, type Source } from './source.ts'
import { boundedWarnings } from './unknown-keys.ts'

const noLimitBytes = -1

/** What {@link resolveConfig} has made: those need no second look. */
const resolved = new WeakSet<object>()

export function isResolved(config: unknown): config is Config {
  return typeof config === 'object' && config !== null && resolved.has(config)
}

/** ERR_CONFIG when the settings contradict each other or no usable default handler is among them. */
export function resolveConfig(settings: Settings, source: Source): Config {
  const warnings: ConfigWarning[] = [...source.warnings]
  const warn = (warning: ConfigWarning) => void warnings.push(warning)
  const defaultRuntime = settings.defaultRuntime ?? defaultRuntimeName
  const cgroupManager = settings.cgroupManager ?? 'cgroupfs'
  const runDir = settings.runDir ?? defaultRunDir
  const directories = {
    stateDir: settings.stateDir ?? defaultStateDir,
    runDir,
    containerExitsDir: settings.containerExitsDir ?? `${runDir}/exits`,
    containerAttachSocketDir: settings.containerAttachSocketDir ?? `${runDir}/attach`,
  }
  requireDistinct(directories, source)
  const runtimes = resolveHandlers({ settings, source, defaultRuntime, cgroupManager, runDir, warn })
  const ctrStopTimeoutSeconds = stopTimeout(settings, source, warn)
  const config: Config = Object.freeze({
    defaultRuntime,
    runtimes,
    conmon: settings.conmon,
    conmonCgroup: settings.conmonCgroup,
    conmonEnv: Object.freeze([...(settings.conmonEnv ?? [])]),
    cgroupManager,
    ...directories,
    durability: settings.durability ?? 'fsync',
    acknowledgedAdvisories: Object.freeze([...(settings.acknowledgedAdvisories ?? [])]),
    logSizeMaxBytes: settings.logSizeMaxBytes ?? noLimitBytes,
    logToJournald: settings.logToJournald ?? false,
    noPivot: settings.noPivot ?? false,
    ctrStopTimeoutSeconds,
    warnings: Object.freeze(boundedWarnings(warnings).map((warning) => Object.freeze({ ...warning }))),
  })
  resolved.add(config)
  return config
}

/** Exit files, attach sockets and state are each found by container id: two of them in one directory would collide. */
function requireDistinct(directories: Readonly<Record<string, string>>, source: Source): void {
  const settingOf = new Map<string, string>()
  for (const [setting, directory] of Object.entries(directories)) {
    const other = settingOf.get(directory)
    if (other !== undefined) {
      const key = source.key([setting])
      throw configError(source, key, `must differ from ${source.key([other])}, which is ${directory} too`)
    }
    settingOf.set(directory, setting)
  }
}

function stopTimeout(settings: Settings, source: Source, warn: (warning: ConfigWarning) => void): number {
  const configuredSeconds = settings.ctrStopTimeoutSeconds ?? ctrStopTimeoutMinSeconds
  if (configuredSeconds >= ctrStopTimeoutMinSeconds) return configuredSeconds
  const key = source.key(['ctrStopTimeoutSeconds'])
  const message = `${key} is below the minimum and is raised to ${ctrStopTimeoutMinSeconds} seconds`
  warn({ key, nearest: undefined, message })
  return ctrStopTimeoutMinSeconds
}
