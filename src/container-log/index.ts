export { joinLogLines, type JoinLinesOptions } from './join-lines.ts'
export type { LogDefect, LogEntry, LogRecord, LogStream, LostLog } from './log-entry.ts'
export { readContainerLog, type ReadLogOptions } from './read-log.ts'
