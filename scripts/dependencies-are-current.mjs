// Exits 0 when node_modules holds exactly what package-lock.json says, by npm's own record of what it installed
// (which `npm ci` writes last, so an interrupted one does not count). File times would be wrong after a checkout.
// Runs on whatever Node the system has: the one of the project may not be there yet.
import { readFileSync } from 'node:fs'

const packagesOf = (file) => JSON.parse(readFileSync(file, 'utf8')).packages

function isCurrent() {
  const wanted = Object.entries(packagesOf('package-lock.json')).filter(([path]) => path !== '')
  const installed = packagesOf('node_modules/.package-lock.json')
  return wanted.every(([path, entry]) =>
    installed[path] === undefined ? mayBeMissing(entry) : installed[path].version === entry.version,
  )
}

/**
 * Optional packages are those of other platforms, and npm leaves them out. It leaves out those of this platform as well
 * when they do not promise to run on the Node that it runs on, which is not the Node that needs them (setup.sh).
 */
function mayBeMissing({ optional, os, cpu, libc }) {
  if (optional !== true) return false
  const isOurs = os?.includes(process.platform) && cpu?.includes(process.arch)
  return !isOurs || (libc !== undefined && !libc.includes(libcName()))
}

function libcName() {
  return process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
}

let current = false
try {
  current = isCurrent()
} catch (error) {
  if (error.code !== 'ENOENT') throw error
}
process.exitCode = current ? 0 : 1
