/**
 * A vitest setup file: notes which edges of the container machine the tests of a file take, by whatever they are run.
 *
 * Seen from within XState, since a test of the runtime has its actors nowhere at hand. The exploration is not counted: it
 * takes every edge by construction and would hide what no test ever runs.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { StateMachine, type AnyActorScope } from 'xstate'
import { afterAll } from 'vitest'
import { edgeNameOf, edgesTakenIn, uncountedActorId } from '../machines/machine-edges.ts'
import { edgesDirectory } from './edge-coverage.ts'

const taken = new Set<string>()
const prototype: { getInitialSnapshot(scope: AnyActorScope, input: unknown): unknown } =
  StateMachine.prototype
const original: unknown = Reflect.get(prototype, 'getInitialSnapshot')

if (edgesDirectory !== undefined && typeof original === 'function') {
  const directory = edgesDirectory
  prototype.getInitialSnapshot = function (scope, input) {
    if (this instanceof StateMachine && this.id === 'container' && scope.self.id !== uncountedActorId) {
      scope.system.inspect((event) => {
        for (const edge of edgesTakenIn(event)) taken.add(edgeNameOf(edge))
      })
    }
    return Reflect.apply(original, this, [scope, input])
  }
  afterAll(() => {
    if (taken.size === 0) return
    writeFileSync(join(directory, `${process.pid}-${crypto.randomUUID()}.json`), JSON.stringify([...taken]))
  })
}
