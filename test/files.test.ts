import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ensurePrivateDirectory, readTextFile, removeTemporaryFiles, writeTextFile } from '../src/files.ts'

const isRoot = process.geteuid?.() === 0
let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'files-test-'))
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

const limits = { maxBytes: 100, code: 'ERR_STATE_CORRUPT' } as const

describe('readTextFile', () => {
  it('returns the text of a file up to the limit', async () => {
    writeFileSync(join(dir, 'f'), 'ä'.repeat(50))
    await expect(readTextFile(join(dir, 'f'), limits)).resolves.toBe('ä'.repeat(50))
  })

  it('returns undefined only when there is no such file', async () => {
    writeFileSync(join(dir, 'f'), '')
    await expect(readTextFile(join(dir, 'none'), limits)).resolves.toBeUndefined()
    await expect(readTextFile(join(dir, 'f/below'), limits)).rejects.toMatchObject({ code: 'ERR_IO' })
  })

  it('refuses a file above the limit without reading it', async () => {
    writeFileSync(join(dir, 'sparse'), '')
    truncateSync(join(dir, 'sparse'), 1_073_741_824)
    await expect(readTextFile(join(dir, 'sparse'), limits)).rejects.toMatchObject({
      code: 'ERR_STATE_CORRUPT',
      file: join(dir, 'sparse'),
    })
  })

  it.runIf(existsSync('/proc/self/smaps'))(
    'holds the limit also where the system reports a size of zero',
    async () => {
      expect(statSync('/proc/self/smaps').size).toBe(0)
      await expect(readTextFile('/proc/self/smaps', limits)).rejects.toThrow(/larger than 100 bytes/)
    },
  )

  it.each([
    ['a symbolic link', (path: string) => symlinkSync('/etc/hostname', path)],
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
    ['a directory', (path: string) => mkdirSync(path)],
    ['something that is not UTF-8', (path: string) => writeFileSync(path, Buffer.from([0xc3, 0x28]))],
  ])('refuses %s with the given code', async (_, make) => {
    make(join(dir, 'f'))
    await expect(readTextFile(join(dir, 'f'), limits)).rejects.toMatchObject({
      code: 'ERR_STATE_CORRUPT',
      file: join(dir, 'f'),
    })
  })
})

describe('writeTextFile', () => {
  it('makes a file that only its owner can read, and leaves nothing beside it', async () => {
    await writeTextFile(join(dir, 'f'), 'one')
    await writeTextFile(join(dir, 'f'), 'two')
    expect(readFileSync(join(dir, 'f'), 'utf8')).toBe('two')
    expect(statSync(join(dir, 'f')).mode & 0o777).toBe(0o600)
    expect(readdirSync(dir)).toEqual(['f'])
  })

  it('replaces a symbolic link instead of writing through it', async () => {
    writeFileSync(join(dir, 'target'), 'mine')
    symlinkSync(join(dir, 'target'), join(dir, 'f'))
    await writeTextFile(join(dir, 'f'), 'text')
    expect(readFileSync(join(dir, 'target'), 'utf8')).toBe('mine')
    expect(readFileSync(join(dir, 'f'), 'utf8')).toBe('text')
  })

  it('shows readers one whole text, whoever writes at the same time', async () => {
    const texts = Array.from({ length: 20 }, (_, index) => String(index % 10).repeat(50_000 + index))
    await writeTextFile(join(dir, 'f'), texts[0] ?? '')
    const state = { writing: true }
    const writes = Promise.all(texts.map((text) => writeTextFile(join(dir, 'f'), text, { sync: false })))
    const ended = writes.finally(() => {
      state.writing = false
    })
    do {
      expect(texts).toContain(await readTextFile(join(dir, 'f'), { ...limits, maxBytes: 100_000 }))
    } while (state.writing)
    await ended
    expect(readdirSync(dir)).toEqual(['f'])
  })

  it('reports a refusal as ERR_IO with its errno, and leaves no temporary file', async () => {
    mkdirSync(join(dir, 'taken'))
    const refused = writeTextFile(join(dir, 'taken'), 'text')
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_IO',
      file: join(dir, 'taken'),
      cause: { code: 'EISDIR' },
    })
    expect(readdirSync(dir)).toEqual(['taken'])
    await expect(writeTextFile(join(dir, 'none/f'), '')).rejects.toMatchObject({ cause: { code: 'ENOENT' } })
  })

  it.runIf(isRoot)('keeps the old text, and no temporary file, when the disk is full', async () => {
    const disk = join(dir, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk])
    try {
      await writeTextFile(join(disk, 'f'), 'old')
      const refused = writeTextFile(join(disk, 'f'), 'x'.repeat(200_000))
      await expect(refused).rejects.toMatchObject({ code: 'ERR_IO', cause: { code: 'ENOSPC' } })
      expect(readFileSync(join(disk, 'f'), 'utf8')).toBe('old')
      expect(readdirSync(disk)).toEqual(['f'])
    } finally {
      execFileSync('umount', [disk])
    }
  })
})

describe('removeTemporaryFiles', () => {
  it('removes what a crashed writer of that file left, and nothing else', async () => {
    for (const name of ['.f.0123.tmp', '.f.4567.tmp', '.g.0123.tmp', 'f', 'f.tmp'])
      writeFileSync(join(dir, name), '')
    await removeTemporaryFiles(join(dir, 'f'))
    expect(readdirSync(dir).toSorted()).toEqual(['.g.0123.tmp', 'f', 'f.tmp'])
  })

  it('has nothing to do where there is no directory', async () => {
    await expect(removeTemporaryFiles(join(dir, 'none/f'))).resolves.toBeUndefined()
  })
})

describe('ensurePrivateDirectory', () => {
  // Node's own `recursive` never returned.
  it.runIf(process.platform === 'linux')('fails where every directory is missing for ever', async () => {
    await expect(ensurePrivateDirectory('/proc/self/a/b')).rejects.toMatchObject({ code: 'ERR_IO' })
  })

  it('creates every missing directory for the owner only, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      await ensurePrivateDirectory(join(dir, 'a/b'))
    } finally {
      process.umask(before)
    }
    expect(statSync(join(dir, 'a')).mode & 0o777).toBe(0o700)
    expect(statSync(join(dir, 'a/b')).mode & 0o777).toBe(0o700)
  })

  it('takes an existing directory as it is', async () => {
    mkdirSync(join(dir, 'a'), { mode: 0o750 })
    await ensurePrivateDirectory(join(dir, 'a/'))
    expect(statSync(join(dir, 'a')).mode & 0o777).toBe(0o750)
  })

  const refusals: [string, (path: string) => void, RegExp][] = [
    ['a symbolic link', (path) => symlinkSync(tmpdir(), path), /symbolic link/],
    ['a dangling link', (path) => symlinkSync('/nowhere/at/all', path), /symbolic link/],
    ['a file', (path) => writeFileSync(path, ''), /not a directory/],
    ['a directory that everybody can write', worldWritable, /writable for everybody/],
  ]

  it.each(refusals)('refuses %s, naming it', async (_, make, message) => {
    make(join(dir, 'a'))
    const refused = ensurePrivateDirectory(join(dir, 'a'))
    await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', file: join(dir, 'a') })
    await expect(refused).rejects.toThrow(message)
  })

  it('refuses a symbolic link also when the path ends in a slash', async () => {
    symlinkSync(tmpdir(), join(dir, 'a'))
    await expect(ensurePrivateDirectory(`${dir}/a//`)).rejects.toThrow(/symbolic link/)
  })

  it.runIf(isRoot)('refuses the directory of another user', async () => {
    mkdirSync(join(dir, 'a'))
    chownSync(join(dir, 'a'), 1234, 1234)
    await expect(ensurePrivateDirectory(join(dir, 'a'))).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      file: join(dir, 'a'),
    })
  })

  it('reports as ERR_IO what the system refuses', async () => {
    writeFileSync(join(dir, 'f'), '')
    await expect(ensurePrivateDirectory(join(dir, 'f/a'))).rejects.toMatchObject({
      code: 'ERR_IO',
      cause: { code: 'ENOTDIR' },
    })
  })

  it('refuses a relative path', async () => {
    await expect(ensurePrivateDirectory('a')).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })
})

function worldWritable(path: string): void {
  mkdirSync(path)
  chmodSync(path, 0o777)
}
