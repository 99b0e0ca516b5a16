/** Numbers and times for people. */

/** `480 ms`, `3.2 s`, `4 min 5 s`, `2 h 3 min`, `5 d 2 h`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.floor(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** In whole units: an age that counts tenths of seconds is restless. */
export function age(ms: number): string {
  return ms < 1000 ? '< 1 s' : duration(ms < 10_000 ? Math.floor(ms / 1000) * 1000 : ms).replace('.0 s', ' s')
}

export function bytes(size: number | undefined): string {
  if (size === undefined) return '–'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = size
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`
}

export function count(value: number): string {
  return value.toLocaleString('en-US').replaceAll(',', '\u202f')
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

/** The time of day of a timestamp, to the millisecond, in the viewer's zone. */
export function clockTime(timestamp: string): string {
  const date = new Date(timestamp)
  if (Number.isNaN(date.getTime())) return ''
  const millis = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`
}

export function dateTime(timestamp: string | undefined): string {
  if (timestamp === undefined) return '–'
  const date = new Date(timestamp)
  if (Number.isNaN(date.getTime())) return timestamp
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${clockTime(timestamp)}`
}

/** The family of colours that a phase belongs to. */
export function tone(phase: string): string {
  if (phase === 'stopping.killing') return 'killing'
  if (phase.startsWith('stopping.')) return 'stopping'
  return tones[phase] ?? 'quiet'
}

const tones: Readonly<Record<string, string>> = {
  creating: 'begin',
  created: 'begin',
  starting: 'begin',
  running: 'running',
  pausing: 'paused',
  paused: 'paused',
  resuming: 'paused',
  observing: 'paused',
  cleaning: 'failed',
  failed: 'failed',
}
