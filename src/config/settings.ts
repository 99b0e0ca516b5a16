/** The configuration as JavaScript spells it, checked value by value. How values fit together is `resolve.ts`'s. */
import { z } from 'zod'
import * as field from './fields.ts'

export const handlerSettings = z.object(
  {
    runtimePath: field.executable,
    runtimeType: field.optionalName,
    runtimeRoot: field.directory,
    runtimeConfigPath: field.file,
    ociRuntimePath: field.executable,
    containerCreateTimeoutMs: field.createTimeoutMs,
    monitorPath: field.executable,
    monitorCgroup: field.optionalText,
    monitorEnv: field.environment,
    allowedAnnotations: field.annotationNames,
    inheritDefaultRuntime: field.flag,
  },
  'must be an object',
)

export const settings = z.object(
  {
    defaultRuntime: field.optionalName,
    runtimes: z.record(field.handlerName, handlerSettings, 'must be an object of handlers by name'),
    conmon: field.executable,
    conmonCgroup: field.optionalText,
    conmonEnv: field.environment,
    cgroupManager: field.cgroupManager,
    containerExitsDir: field.directory,
    containerAttachSocketDir: field.directory,
    logSizeMaxBytes: field.logSize,
    logToJournald: field.flag,
    noPivot: field.flag,
    ctrStopTimeoutSeconds: field.stopTimeoutSeconds,
    stateDir: field.directory,
    runDir: field.directory,
    durability: field.durability,
    acknowledgedAdvisories: field.advisoryNames,
  },
  'must be an object',
)

export type HandlerSettings = z.output<typeof handlerSettings>
export type Settings = z.output<typeof settings>
