/** Where the library says what happened and what went wrong: a pino logger, or anything with these methods. */
import { pino } from 'pino'

export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** Whether lines of that level are of use to anybody: what would write many for nobody is not asked to. */
  isLevelEnabled?(level: string): boolean
}

/** The default: an embedder's output is the embedder's. */
export const silentLogger: Logger = pino({ level: 'silent' })

/**
 * A logger that never throws. Lines are written in the middle of things that must not stop half-way, and there is nobody
 * to tell of a logger that fails.
 */
export function containedLogger(logger: Logger): Logger {
  const contained =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message: string): void => {
      try {
        logger[level](fields, message)
      } catch {
        // The line is lost.
      }
    }
  return {
    debug: contained('debug'),
    info: contained('info'),
    warn: contained('warn'),
    error: contained('error'),
    isLevelEnabled: (level) => {
      try {
        return logger.isLevelEnabled?.(level) === true
      } catch {
        return false
      }
    },
  }
}
