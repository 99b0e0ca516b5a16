/** What a program without types may pass, and every public function that it may pass it to. */
import fc from 'fast-check'

function refuse(): never {
  throw new TypeError('do not touch')
}

/** Throws at the first touch of one property. */
const touchy: fc.Arbitrary<unknown> = fc.string().map((name) => {
  const value = Object.defineProperty({}, name, { enumerable: true, get: refuse })
  // It is shown when it is the counterexample.
  return Object.defineProperty(value, fc.toStringMethod, { value: () => `throws at ${JSON.stringify(name)}` })
})

/** Looks like a container, a runtime, a stream or a signal at first sight. */
const lookAlike = fc.oneof(
  fc.record({ id: fc.constantFrom('fresh', 'good', ''), bundlePath: fc.constant('/b') }),
  fc.constant({ registry: {}, parts: {}, containers: {} }),
  fc.constant({ pipe: 1, write: 1 }),
  fc.constant({ aborted: false, addEventListener: 1 }),
  fc.constant({ signal: 'none', stdin: 7, tty: 'yes', force: 'no', since: 1, filter: 1 }),
)

const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  maxDepth: 2,
})

export const rubbish: fc.Arbitrary<unknown> = fc
  .oneof(
    {
      arbitrary: fc.constantFrom<unknown>(undefined, null, NaN, -1, 1n, '', 'x', Symbol('s'), () => 1),
      weight: 3,
    },
    { arbitrary: anything, weight: 3 },
    touchy,
    lookAlike,
  )
  // What would be made on the disk of whoever runs the tests.
  .filter((value) => typeof value !== 'string' || !value.startsWith('/'))

export const rubbishArguments = fc.array(rubbish, { maxLength: 4 })
