/** The size of a terminal, for attach and exec alike. Types only. */

/** In characters, each from 0 to 65535. */
export interface TerminalSize {
  readonly width: number
  readonly height: number
}
