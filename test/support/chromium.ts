/** Debian's Chromium, driven from tests and benchmarks. */
import { chromium, type Browser } from 'playwright-core'

/** Closed by its user. `args` are added to what a browser needs to run as root and without a screen. */
export function openChromium(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...args],
  })
}
