// Exits 0 when node_modules holds exactly what package-lock.json says, by npm's own record of what it installed
// (which `npm ci` writes last, so an interrupted one does not count). File times would be wrong after a checkout.
// Runs on whatever Node the system has: the one of the project may not be there yet.
import { readFileSync } from 'node:fs'

const packagesOf = (file) => JSON.parse(readFileSync(file, 'utf8')).packages

function isCurrent() {
  const wanted = Object.entries(packagesOf('package-lock.json')).filter(([path]) => path !== '')
  const installed = packagesOf('node_modules/.package-lock.json')
  // Optional packages are those of other platforms; npm leaves them out.
  return wanted.every(([path, { version, optional }]) =>
    installed[path] === undefined ? optional === true : installed[path].version === version,
  )
}

let current = false
try {
  current = isCurrent()
} catch (error) {
  if (error.code !== 'ENOENT') throw error
}
process.exitCode = current ? 0 : 1
