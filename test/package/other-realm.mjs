/**
 * Runs a module in a vm context, with this package in it, as Jest does it (and vitest with vmThreads): its Error, Date and
 * Uint8Array are others than those of Node's own modules and of the packages that this one stands on.
 *   node --experimental-vm-modules other-realm.mjs MODULE
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import vm from 'node:vm'

/** What is of no realm's language, but of the host. Jest hands it over as well. */
const hosts =
  'AbortController AbortSignal Buffer TextDecoder TextEncoder URL clearInterval clearTimeout console performance'
const others = 'process queueMicrotask setImmediate setInterval setTimeout structuredClone'
const context = vm.createContext(
  Object.fromEntries(`${hosts} ${others}`.split(' ').map((name) => [name, globalThis[name]])),
)

const modules = new Map()

function moduleOf(key, make) {
  if (!modules.has(key)) modules.set(key, make(key))
  return modules.get(key)
}

async function outer(name) {
  const real = await import(name)
  const names = Object.keys(real)
  return new vm.SyntheticModule(
    names,
    function fill() {
      for (const key of names) this.setExport(key, real[key])
    },
    { context, identifier: name },
  )
}

function inner(url) {
  return new vm.SourceTextModule(readFileSync(fileURLToPath(url), 'utf8'), {
    context,
    identifier: url,
    initializeImportMeta: (meta) => {
      meta.url = url
    },
  })
}

function link(name, from) {
  if (name.startsWith('node:')) return moduleOf(name, outer)
  if (name.startsWith('.')) return moduleOf(new URL(name, from.identifier).href, inner)
  const { href } = pathToFileURL(createRequire(fileURLToPath(from.identifier)).resolve(name))
  return moduleOf(href, name.startsWith('oci-supervisor') ? inner : outer)
}

const main = inner(pathToFileURL(process.argv[2]).href)
await main.link(link)
await main.evaluate()
