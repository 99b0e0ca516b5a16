/** What the inspector serves as it is: the page, and the drawings of machines. Made when the package is built. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { OciError } from '../errors/index.ts'
import type { StatechartFile } from './protocol.ts'

export interface Assets {
  /** The whole page: one document without a reference to anything else. */
  readonly page: string
  readonly statechart: StatechartFile
}

/** Throws ERR_IO when they are not beside this module: the package was not built, or was bundled without them. */
export async function readAssets(): Promise<Assets> {
  const directory = assetsDirectory(import.meta.url)
  try {
    const [page, statechart] = await Promise.all([
      readFile(new URL('page.html', directory), 'utf8'),
      readFile(new URL('statechart.json', directory), 'utf8'),
    ])
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by our own build, beside this file
    return { page, statechart: JSON.parse(statechart) as StatechartFile }
  } catch (cause) {
    const file = fileURLToPath(directory)
    const message = `the inspector's page is missing in ${file}: build the package, or copy its dist/inspect/assets there when you bundle it`
    throw new OciError('ERR_IO', message, { file, cause })
  }
}

/** A bundle of CommonJS has no address of its own: what belongs to it stands beside the program that node was given. */
function assetsDirectory(moduleUrl: string | undefined): URL {
  return new URL('assets/', moduleUrl ?? pathToFileURL(process.argv[1] ?? '/'))
}

/** Nothing but what stands in the page itself, and connections to where it came from. */
export function contentSecurityPolicy(page: string): string {
  const hashes = (tag: string): string =>
    [...page.matchAll(new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`, 'gu'))]
      .map(([, text = '']) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`)
      .join(' ')
  return [
    "default-src 'none'",
    `script-src ${hashes('script')}`,
    `style-src ${hashes('style')}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
