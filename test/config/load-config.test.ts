import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/index.ts'
import { configRejectionOf } from './expect-config-error.ts'

const minimal = '[crio.runtime.runtimes.crun]\nruntime_path = "/usr/bin/crun"\n'
let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'config-'))
})
afterAll(async () => {
  await rm(dir, { recursive: true })
})

async function fileWith(name: string, content: string | Buffer): Promise<string> {
  const path = join(dir, name)
  await writeFile(path, content)
  return path
}

describe('loadConfig', () => {
  it('reads a file, also through a link and with a byte order mark', async () => {
    const path = await fileWith('bom.toml', `\uFEFF${minimal}`)
    const link = join(dir, 'link.toml')
    await symlink(path, link)
    const config = await loadConfig(link)
    expect(config.runtimes['crun']?.runtimePath).toBe('/usr/bin/crun')
  })

  it('names the file in an error about a key', async () => {
    const path = await fileWith('bad.toml', `${minimal}[crio.runtime]\nno_pivot = 3`)
    const error = await configRejectionOf(loadConfig(path))
    expect(error).toMatchObject({ file: path, field: 'crio.runtime.no_pivot' })
    expect(error.message).toContain(`${path}: crio.runtime.no_pivot must be true or false`)
  })

  it('rejects a file that is missing', async () => {
    const path = join(dir, 'missing.toml')
    const error = await configRejectionOf(loadConfig(path))
    expect(error.file).toBe(path)
    expect(error.message).toContain(path)
    expect(error.message).toContain('ENOENT')
  })

  it('rejects a path that cannot be one', async () => {
    expect((await configRejectionOf(loadConfig('a\0b'))).message).toContain('cannot be read')
  })

  it('rejects a FIFO that nobody writes instead of waiting for it', async () => {
    const path = join(dir, 'fifo')
    execFileSync('mkfifo', [path])
    expect((await configRejectionOf(loadConfig(path))).message).toContain('is not a regular file')
  })

  it.each(['/dev/zero', tmpdir()])('rejects %s, which is no regular file', async (path) => {
    expect((await configRejectionOf(loadConfig(path))).message).toContain('is not a regular file')
  })

  it('rejects a file larger than 1 MiB and takes one of exactly that size', async () => {
    const full = minimal + '#'.repeat(1024 * 1024 - minimal.length)
    await expect(loadConfig(await fileWith('full.toml', full))).resolves.toMatchObject({ noPivot: false })
    const error = await configRejectionOf(loadConfig(await fileWith('large.toml', `${full}#`)))
    expect(error.message).toContain('must not be larger than 1048576 bytes')
  })

  it('rejects a file that is not UTF-8', async () => {
    const path = await fileWith('latin1.toml', Buffer.from(`${minimal}# caf\xe9`, 'latin1'))
    expect((await configRejectionOf(loadConfig(path))).message).toContain('must be UTF-8')
  })
})
