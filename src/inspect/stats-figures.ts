/** A sample in numbers that JSON can carry. */
import type { ContainerStats } from '../impl/stats-port.ts'
import type { StatsFigures } from './protocol.ts'

export function statsFigures(stats: ContainerStats, nowMs: number): StatsFigures {
  return {
    nowMs,
    cpuPercent: Math.round(stats.cpu * 10) / 10,
    memoryBytes: stats.memUsage,
    memoryLimitBytes: stats.memLimit,
    pids: stats.pids,
    netInputBytes: stats.netInput,
    netOutputBytes: stats.netOutput,
    blockInputBytes: stats.blockInput,
    blockOutputBytes: stats.blockOutput,
    oomKills: stats.oomKills,
    throttledPeriods: stats.throttling?.throttledPeriods,
  }
}
