import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { codeBlocks, readDocument, section } from './markdown.ts'

it('how an embedder makes way in its cgroup is, in docs/hosts.md, what is tried on a real host', () => {
  const blocks = codeBlocks(section(readDocument('docs/hosts.md'), 'On cgroup v2, with a delegated cgroup'))
  const makesWay = blocks.find(({ code }) => code.includes('cgroup.procs'))
  const embedder = new URL('../hosts/rootless-embedder.ts', import.meta.url)
  expect(makesWay?.language).toBe('js')
  expect(readFileSync(embedder, 'utf8')).toContain(makesWay?.code)
})
