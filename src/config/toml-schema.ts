/** The configuration as a crio.conf spells it; out come the same {@link Settings} as from JavaScript. */
import { z } from 'zod'
import * as field from './fields.ts'
import type { HandlerSettings, Settings } from './settings.ts'

export const handlerTable = z.object(
  {
    runtime_path: field.executable,
    runtime_type: field.optionalName,
    runtime_root: field.directory,
    runtime_config_path: field.file,
    oci_runtime_path: field.executable,
    container_create_timeout: field.createTimeoutSeconds,
    monitor_path: field.executable,
    monitor_cgroup: field.optionalText,
    monitor_env: field.environment,
    allowed_annotations: field.annotationNames,
    inherit_default_runtime: field.flag,
  },
  'must be a table',
)

export const runtimeTable = z.object(
  {
    default_runtime: field.optionalName,
    conmon: field.executable,
    conmon_cgroup: field.optionalText,
    conmon_env: field.environment,
    cgroup_manager: field.cgroupManager,
    container_exits_dir: field.directory,
    container_attach_socket_dir: field.directory,
    log_size_max: field.logSize,
    log_to_journald: field.flag,
    no_pivot: field.flag,
    ctr_stop_timeout: field.stopTimeoutSeconds,
    runtimes: z
      .record(
        field.handlerName,
        handlerTable.transform(fromHandlerTable),
        'must be a table of tables, one for each handler',
      )
      .prefault({}),
  },
  'must be a table',
)

export const ownTable = z.object(
  {
    state_dir: field.directory,
    run_dir: field.directory,
    durability: field.durability,
    acknowledged_advisories: field.advisoryNames,
  },
  'must be a table',
)

export const document = z
  .object({
    crio: z.object({ runtime: runtimeTable.prefault({}) }, 'must be a table').prefault({}),
    'oci-supervisor': ownTable.prefault({}),
  })
  .transform((tables): Settings => fromTables(tables.crio.runtime, tables['oci-supervisor']))

function fromHandlerTable(table: z.output<typeof handlerTable>): HandlerSettings {
  return {
    runtimePath: table.runtime_path,
    runtimeType: table.runtime_type,
    runtimeRoot: table.runtime_root,
    runtimeConfigPath: table.runtime_config_path,
    ociRuntimePath: table.oci_runtime_path,
    containerCreateTimeoutMs: table.container_create_timeout,
    monitorPath: table.monitor_path,
    monitorCgroup: table.monitor_cgroup,
    monitorEnv: table.monitor_env,
    allowedAnnotations: table.allowed_annotations,
    inheritDefaultRuntime: table.inherit_default_runtime,
  }
}

function fromTables(runtime: z.output<typeof runtimeTable>, own: z.output<typeof ownTable>): Settings {
  return {
    defaultRuntime: runtime.default_runtime,
    runtimes: runtime.runtimes,
    conmon: runtime.conmon,
    conmonCgroup: runtime.conmon_cgroup,
    conmonEnv: runtime.conmon_env,
    cgroupManager: runtime.cgroup_manager,
    containerExitsDir: runtime.container_exits_dir,
    containerAttachSocketDir: runtime.container_attach_socket_dir,
    logSizeMaxBytes: runtime.log_size_max,
    logToJournald: runtime.log_to_journald,
    noPivot: runtime.no_pivot,
    ctrStopTimeoutSeconds: runtime.ctr_stop_timeout,
    stateDir: own.state_dir,
    runDir: own.run_dir,
    durability: own.durability,
    acknowledgedAdvisories: own.acknowledged_advisories,
  }
}
