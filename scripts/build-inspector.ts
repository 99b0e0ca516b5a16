/**
 * Makes what the inspector serves: the page as one document, the statecharts as files. `node scripts/build-inspector.ts`
 * writes them where the package has them; tests call {@link buildAssets}.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build, stop } from 'esbuild'
import type { Assets } from '../src/inspect/assets.ts'
import { containerMachine } from '../src/machines/container.machine.ts'
import { drawStatechart } from './statechart/draw.ts'

const root = join(import.meta.dirname, '..')
const pageDirectory = join(root, 'src/inspect/page')
const outDirectory = join(root, 'dist/inspect/assets')

export async function buildAssets(): Promise<Assets> {
  const [page, statechart] = await Promise.all([buildPage(), drawStatechart(containerMachine)])
  return { page, statechart }
}

/** One document: whatever it needs stands in it, so that nothing has to be allowed but itself. */
async function buildPage(): Promise<string> {
  const html = await readFile(join(pageDirectory, 'page.html'), 'utf8')
  const [script, style] = await Promise.all([bundled('main.tsx'), bundled('page.css')])
  // Its service is a child process, and would stay one.
  await stop()
  // A replacement as a function: `$&` in the script must stay as it is.
  return html
    .replace(/\/\* page\.css \*\//, () => style)
    .replace(/\/\* main\.tsx \*\//, () => script.replaceAll('</script', String.raw`<\/script`))
}

async function bundled(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(pageDirectory, entry)],
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'error',
  })
  return outputFiles[0]?.text.trim() ?? ''
}

if (import.meta.main) {
  const { page, statechart } = await buildAssets()
  await mkdir(outDirectory, { recursive: true })
  await writeFile(join(outDirectory, 'page.html'), page)
  await writeFile(join(outDirectory, 'statechart.json'), JSON.stringify(statechart))
}
