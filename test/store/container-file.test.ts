import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Container } from '../../src/container.ts'
import {
  containerFilePath,
  decodeContainer,
  encodeContainer,
  optionsOf,
  readContainerFile,
  writeContainerFile,
} from '../../src/store/container-file.ts'
import { everyOption } from '../support/container-options.ts'

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'container-file-test-'))
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

describe('container.json', () => {
  it('holds every option', () => {
    expect(decodeContainer(encodeContainer(new Container(everyOption)), 'f')).toEqual(everyOption)
  })

  it('fills in the defaults, so that another release makes the same container', () => {
    const container = new Container({ id: 'c1', bundlePath: '/bundle', stopSignal: 'SIGINT' })
    const options = decodeContainer(encodeContainer(container), 'f')
    expect(options).toEqual(optionsOf(container))
    expect(options).toMatchObject({
      name: 'c1',
      dir: '/bundle',
      logPath: '/bundle/container.log',
      stopSignal: 2,
    })
    expect(options.createdAt).toEqual(container.createdAt)
    expect(options).not.toHaveProperty('netns')
  })

  it('makes the same container of any options', () => {
    const text = fc.string().filter((given) => !given.includes('\0'))
    const maps = fc.dictionary(
      fc.string({ minLength: 1 }).filter((key) => !key.includes('\0')),
      text,
    )
    const options = fc.record(
      { name: text, labels: maps, annotations: maps, sandbox: text, image: text, terminal: fc.boolean() },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/), options, (id, given) => {
        const container = new Container({ ...given, id, bundlePath: '/b' })
        const again = new Container(decodeContainer(encodeContainer(container), 'f'))
        expect(optionsOf(again)).toEqual(optionsOf(container))
      }),
    )
  })

  it('is written for its owner only, with nothing beside it, and read back', async () => {
    const container = new Container({ ...everyOption, dir })
    await writeContainerFile(container)
    const path = containerFilePath(container)
    expect(path).toBe(join(dir, 'container.json'))
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(dir)).toEqual(['container.json'])
    await expect(readContainerFile(path)).resolves.toEqual({ ...everyOption, dir })
  })

  it('that does not exist is undefined, and one behind a link is corrupt', async () => {
    const path = join(dir, 'container.json')
    await expect(readContainerFile(path)).resolves.toBeUndefined()
    symlinkSync('/etc/hostname', path)
    await expect(readContainerFile(path)).rejects.toMatchObject({ code: 'ERR_STATE_CORRUPT', file: path })
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['an id that is a path', { id: '../x' }, 'id'],
    ['a relative bundle path', { bundlePath: 'b' }, 'bundlePath'],
    ['labels that are no text', { labels: { a: 1 } }, 'labels'],
    ['a flag in words', { terminal: 'yes' }, 'terminal'],
    ['metadata without a name', { metadata: { attempt: 0 } }, 'metadata.name'],
    ['a creation date in words', { createdAt: 'yesterday' }, 'createdAt'],
    ['a version from the future', { version: 2 }, 'version'],
  ])('with %s is corrupt, naming the file and the field', (_, changes, field) => {
    const text = JSON.stringify({ version: 1, id: 'c1', bundlePath: '/b', ...changes })
    expect(() => decodeContainer(text, '/x/container.json')).toThrow(
      expect.objectContaining({ code: 'ERR_STATE_CORRUPT', file: '/x/container.json', field }),
    )
  })
})
