import { describe, expect, it } from 'vitest'
import { judgeSteps, testExitCode } from '../../scripts/hosts/judge-steps.ts'

const steps = 'fresh 0 1\nclone 0 2\ndemo 0 300\ntest 0 900\n'
const demo = [
  '> oci-supervisor@0.1.0 demo',
  'crun (/usr/bin/crun) runs /root/oci-supervisor/examples/orchestrator/stack.toml',
  '7 containers: 7 as expected',
  '',
].join('\n')

describe('the steps of a fresh machine', () => {
  it('are good when each ended well and the demo ran real containers', () => {
    expect(judgeSteps({ steps, demo })).toEqual([])
  })

  it.each([
    ['the machine did not boot', { steps: '', demo: '' }, /git clone: was not reached/],
    [
      'a runtime was there already',
      { steps: steps.replace('fresh 0', 'fresh 1') },
      /nothing that.*exited with 1/,
    ],
    ['there was nothing to clone', { steps: 'fresh 0 1\nclone 128 0\n' }, /git clone: exited with 128/],
    ['the demo failed', { steps: steps.replace('demo 0', 'demo 1') }, /npm run demo: exited with 1/],
    ['the tests failed', { steps: steps.replace('test 0', 'test 1') }, /npm test: exited with 1/],
    [
      'the tests were cut short',
      { steps: steps.replace(/test .*\n/, '') },
      /npm test: was not reached, or did not end/,
    ],
    ['the last line was cut short', { steps: steps.replace(/ 900\n/, '') }, /npm test: was not reached/],
    [
      'the demo played simulated containers',
      { demo: demo.replace(/^crun .*$/m, 'simulated runtime, no real containers (why): plays stack.toml') },
      /no real containers/,
    ],
    ['the demo said nothing', { demo: '' }, /not all containers as expected/],
    ['the demo had no containers', { demo: demo.replaceAll('7', '0') }, /not all containers/],
    ['a container ended otherwise', { demo: demo.replace('7 as', '6 as') }, /not all containers/],
  ])('are bad when %s', (_, change, complaint) => {
    expect(judgeSteps({ steps, demo, ...change }).join('\n')).toMatch(complaint)
  })

  it('say what the tests exited with, if they ended', () => {
    expect(testExitCode(steps.replace('test 0', 'test 2'))).toBe(2)
    expect(testExitCode('fresh 0 1\n')).toBeUndefined()
  })
})
