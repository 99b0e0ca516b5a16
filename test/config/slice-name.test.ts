import { expect, it } from 'vitest'
import { isSliceName, sliceCgroup } from '../../src/config/slice-name.ts'

it.each(['system.slice', 'a-b-c.slice', '-.slice', 'kubepods-pod_1.slice', String.raw`a\x2db.slice`])(
  '%s is the name of a slice',
  (name) => {
    expect(isSliceName(name)).toBe(true)
  },
)

it.each([
  '',
  '.slice',
  'a--b.slice',
  '-a.slice',
  'a-.slice',
  '/a.slice',
  'a.service',
  'a b.slice',
  `${'a'.repeat(250)}.slice`,
])('%j is none', (name) => {
  expect(isSliceName(name)).toBe(false)
})

it.each([
  ['system.slice', '/system.slice'],
  ['a-b-c.slice', '/a.slice/a-b.slice/a-b-c.slice'],
  ['-.slice', ''],
])('the cgroup of %s is %j', (name, path) => {
  expect(sliceCgroup(name)).toBe(path)
})
