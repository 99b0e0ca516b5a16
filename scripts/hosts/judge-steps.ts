/**
 * Judges what a fresh machine did (`npm run test:fresh`), in the spirit of judge-results.ts: a step that was not reached,
 * or did not end, fails like one that failed, and so does a demo that fell back to containers that are not real.
 */

/** In their order; each has a line in `steps` once it has ended. */
const steps = {
  fresh: 'the machine has git, Node and npm, and nothing that the commands are to bring',
  clone: 'git clone',
  demo: 'npm run demo',
  test: 'npm test',
} as const

interface StepsEvidence {
  /** A line for each step that ended: its name, exit code and seconds. */
  readonly steps: string
  /** All that `npm run demo` printed. */
  readonly demo: string
}

export function judgeSteps(evidence: StepsEvidence): string[] {
  const codes = codesOf(evidence.steps)
  const complaints = Object.entries(steps).flatMap(([name, meaning]) => {
    const code = codes.get(name)
    if (code === undefined) return [`${meaning}: was not reached, or did not end`]
    return code === '0' ? [] : [`${meaning}: exited with ${code}`]
  })
  if (codes.get('demo') === '0') {
    if (!/^(?:crun|runc) \(\/.+\) runs /mu.test(evidence.demo))
      complaints.push('npm run demo: ran no real containers')
    const counts = /^([1-9]\d*) containers: (\d+) as expected$/mu.exec(evidence.demo)
    if (counts === null || counts[1] !== counts[2])
      complaints.push('npm run demo: not all containers as expected')
  }
  return complaints
}

/** What `npm test` exited with; undefined when it did not end. */
export function testExitCode(text: string): number | undefined {
  const code = codesOf(text).get('test')
  return code === undefined ? undefined : Number(code)
}

function codesOf(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^(\w+) (\d+) \d+$/gmu)].map(([, name = '', code = '']) => [name, code]))
}
