import { execFileSync } from 'node:child_process'
import {
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
import { bundleConfigMaxBytes, defaultSpec, readBundleSpec, writeBundle } from '../../src/bundle/bundle.ts'
import type { OciInteger, OciSpec } from '../../src/bundle/oci-spec.ts'
import { Container } from '../../src/container.ts'

let dir: string
let config: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bundle-test-'))
  config = join(dir, 'config.json')
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

const spec = defaultSpec({ rootfs: '/rootfs', args: ['/bin/true'] })
const base = { args: ['/bin/true'], cwd: '/', user: { uid: 0, gid: 0 } }

function made(): Container {
  return new Container({ id: 'c1', bundlePath: dir })
}

function sparse(path: string): void {
  writeFileSync(path, '')
  truncateSync(path, 1_073_741_824)
}

describe('writeBundle', () => {
  it('makes a bundle for its owner only, that is read back', async () => {
    const bundle = join(dir, 'a/b')
    await writeBundle(bundle, spec)
    expect(statSync(bundle).mode & 0o777).toBe(0o700)
    expect(statSync(join(bundle, 'config.json')).mode & 0o777).toBe(0o600)
    expect(readdirSync(bundle)).toEqual(['config.json'])
    const container = new Container({ id: 'c1', bundlePath: bundle })
    await expect(readBundleSpec(container)).resolves.toEqual(spec)
  })

  it('replaces an earlier config.json', async () => {
    writeFileSync(config, 'old')
    await writeBundle(dir, spec)
    expect(JSON.parse(readFileSync(config, 'utf8'))).toEqual(spec)
  })

  it.each([
    ['a symbolic link', (path: string) => symlinkSync('/etc/hostname', path)],
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
    ['a directory', (path: string) => mkdirSync(path)],
  ])('leaves %s named config.json alone', async (_, make) => {
    make(config)
    await expect(writeBundle(dir, spec)).rejects.toMatchObject({ code: 'ERR_BUNDLE', file: config })
    expect(readdirSync(dir)).toEqual(['config.json'])
  })

  it('refuses a spec that it would not read back, before it makes anything', async () => {
    const bundle = join(dir, 'b')
    const bad = { ociVersion: '1.0.2', process: { args: [], cwd: '/', user: { uid: 0, gid: 0 } } }
    await expect(writeBundle(bundle, bad)).rejects.toMatchObject({
      code: 'ERR_BUNDLE',
      field: 'process.args',
    })
    const big = { ...spec, annotations: { a: 'x'.repeat(bundleConfigMaxBytes) } }
    await expect(writeBundle(bundle, big)).rejects.toThrow(/larger than/)
    expect(readdirSync(dir)).toEqual([])
  })

  it('refuses a directory behind a symbolic link', async () => {
    symlinkSync(tmpdir(), join(dir, 'link'))
    await expect(writeBundle(join(dir, 'link'), spec)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })
})

/** What every engine writes for "no limit". */
const infinity = 18_446_744_073_709_551_615n

const limited = (hard: OciInteger): OciSpec => ({
  ...spec,
  process: { ...base, rlimits: [{ type: 'RLIMIT_CORE', soft: 0, hard }] },
})

describe('a number of a spec', () => {
  it.each([
    ['RLIM_INFINITY', infinity],
    ['the lowest integer', -(2n ** 63n)],
    ['the first that is no exact number', 2n ** 53n],
    ['the last that is', 2 ** 53 - 1],
    ['zero', 0],
  ])('is written and read as it is: %s', async (_, hard) => {
    await writeBundle(dir, limited(hard))
    const written = readFileSync(config, 'utf8')
    expect(written).toContain(`"hard": ${hard}\n`)
    const read = await readBundleSpec(made())
    expect(read).toEqual(limited(hard))
    await writeBundle(dir, read)
    expect(readFileSync(config, 'utf8')).toBe(written)
  })

  it('is kept by setSpec', async () => {
    const container = made()
    container.setSpec(limited(infinity))
    await expect(readBundleSpec(container)).resolves.toEqual(limited(infinity))
  })

  it.each([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a fraction', 0.5],
    ['beyond 64 bits', 2n ** 64n],
    ['below 64 bits', -(2n ** 63n) - 1n],
    ['what was exact as a bigint only', Number(infinity)],
  ])('is refused with its field: %s', async (_, hard) => {
    const refused = { code: 'ERR_BUNDLE', field: 'process.rlimits.0.hard' }
    await expect(writeBundle(dir, limited(hard))).rejects.toMatchObject({ ...refused, file: config })
    expect(readdirSync(dir)).toEqual([])
    const container = made()
    container.setSpec(limited(hard))
    await expect(readBundleSpec(container)).rejects.toMatchObject({ ...refused, file: undefined })
  })

  it.each(['1e400', '0.5', '18446744073709551616', '-9223372036854775809', '1e19'])(
    'is refused in a config.json: %s',
    async (text) => {
      writeFileSync(config, JSON.stringify(limited(424_242)).replace('424242', text))
      await expect(readBundleSpec(made())).rejects.toMatchObject({
        code: 'ERR_BUNDLE',
        field: 'process.rlimits.0.hard',
        file: config,
      })
    },
  )

  it('may be a fraction where the specification says nothing', async () => {
    await writeBundle(dir, { ...spec, 'com.example': { share: 0.25 } })
    await expect(readBundleSpec(made())).resolves.toMatchObject({ 'com.example': { share: 0.25 } })
  })
})

describe('a spec', () => {
  it.each([
    ['deep', `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, /deeper than 100 levels/],
    ['long', `[${'0,'.repeat(200_000)}0]`, /more than 65536 values/],
  ])('that is too %s is refused, read and written', async (_, json, words) => {
    const annotations = JSON.stringify(spec).replace('"mounts"', `"x": ${json}, "mounts"`)
    writeFileSync(config, annotations)
    const refused = { code: 'ERR_BUNDLE', message: expect.stringMatching(words) as unknown }
    await expect(readBundleSpec(made())).rejects.toMatchObject({ ...refused, file: config })
    const x: unknown = JSON.parse(json)
    await expect(writeBundle(join(dir, 'b'), { ...spec, x })).rejects.toMatchObject(refused)
  })

  it('that leads back to itself is refused', async () => {
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    await expect(writeBundle(dir, { ...spec, circle })).rejects.toMatchObject({ code: 'ERR_BUNDLE' })
  })

  it('is written as it is when writeBundle is called', async () => {
    const changing = { ...spec, hostname: 'first' }
    const written = writeBundle(dir, changing)
    changing.hostname = 'second'
    await written
    await expect(readBundleSpec(made())).resolves.toMatchObject({ hostname: 'first' })
  })
})

describe('readBundleSpec', () => {
  it('prefers the spec given to the container, which then needs no config.json', async () => {
    const container = made()
    container.setSpec(spec)
    await expect(readBundleSpec(container)).resolves.toEqual(spec)
  })

  it('keeps what it does not know', async () => {
    writeFileSync(config, JSON.stringify({ ...spec, hooks: { prestart: [] } }))
    await expect(readBundleSpec(made())).resolves.toHaveProperty('hooks')
  })

  it.each([
    ['missing', () => undefined],
    ['a symbolic link', (path: string) => symlinkSync('/etc/hostname', path)],
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
    ['a directory', (path: string) => mkdirSync(path)],
    ['1 GiB large', sparse],
    ['empty', (path: string) => writeFileSync(path, '')],
    ['not JSON', (path: string) => writeFileSync(path, '{')],
    ['a JSON array', (path: string) => writeFileSync(path, '[]')],
    ['just above the limit', (path: string) => writeFileSync(path, ' '.repeat(bundleConfigMaxBytes + 1))],
  ])('refuses a config.json that is %s, naming it', async (_, make) => {
    make(config)
    await expect(readBundleSpec(made())).rejects.toMatchObject({
      code: 'ERR_BUNDLE',
      file: config,
      containerId: 'c1',
    })
  })

  const fields: [string, Record<string, unknown>, string][] = [
    ['no ociVersion', { ociVersion: undefined }, 'ociVersion'],
    ['no process', { process: undefined }, 'process'],
    ['no args', { process: {} }, 'process.args'],
    ['args that are a string', { process: { args: '/bin/true' } }, 'process.args'],
    ['no command', { process: { args: [] } }, 'process.args'],
    ['an empty command', { process: { args: [''] } }, 'process.args.0'],
    ['an argument that is a number', { process: { args: ['a', 1] } }, 'process.args.1'],
    ['a NUL in an argument', { process: { args: ['a', 'b\0c'] } }, 'process.args.1'],
  ]

  it.each(fields)('refuses a spec with %s, naming the field', async (_, changes, field) => {
    writeFileSync(config, JSON.stringify({ ...spec, ...changes }))
    await expect(readBundleSpec(made())).rejects.toMatchObject({ code: 'ERR_BUNDLE', file: config, field })
  })

  it('checks a spec given to the container in the same way', async () => {
    const container = made()
    container.setSpec({ ociVersion: '1.0.2' })
    await expect(readBundleSpec(container)).rejects.toMatchObject({
      code: 'ERR_BUNDLE',
      field: 'process',
      file: undefined,
    })
  })

  it('never reads a refusal of the system as a missing bundle', async () => {
    writeFileSync(join(dir, 'file'), '')
    const container = new Container({ id: 'c1', bundlePath: join(dir, 'file') })
    await expect(readBundleSpec(container)).rejects.toMatchObject({
      code: 'ERR_IO',
      cause: { code: 'ENOTDIR' },
    })
  })
})
