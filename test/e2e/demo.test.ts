import { expect, describe, it } from 'vitest'
import { canLimitMemory } from '../../examples/orchestrator/host.ts'
import { containerPhases } from '../../src/container.ts'
import { Watcher } from '../inspect/inspected.ts'
import { parseLine, runDemo, stackFile, type DemoLine } from './demo-run.ts'

const runtimes = ['runc', 'crun', 'sim'] as const

const wordsForMissingCommand = {
  runc: /exec: "\/bin\/no-such-command": stat \/bin\/no-such-command: no such file or directory/,
  crun: /executable file `\/bin\/no-such-command` not found/,
  sim: /not in the simulated root filesystem/,
} as const

const short = `[[container]]
name = "short"
args = ["true"]
expect = { exit = 0 }
`
const endless = `
[[container]]
name = "endless"
args = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]
grace_seconds = 1
expect = { exit = 0 }
`

/** Gives the demo something to say again and again, until long after its reader has gone. */
const talkative = [1, 2, 4, 8, 16].map(
  (seconds) => `
[[container]]
name = "for-${seconds}-s"
args = ["sleep", "${seconds}"]
grace_seconds = 0
expect = { exit = 0 }
`,
)

const mixed = `
[[container]]
name = "right"
args = ["sh", "-c", "exit 3"]
expect = { exit = 3 }

[[container]]
name = "wrong"
args = ["sh", "-c", "exit 3"]
expect = { exit = 4 }

[[container]]
name = "not-killed"
args = ["true"]
expect = { signal = "KILL" }

[[container]]
name = "not-missing"
args = ["true"]
expect = { create_error = "ERR_COMMAND_NOT_FOUND" }
`

function outcomes(lines: readonly DemoLine[]): Record<string, string> {
  const ended = lines.filter(({ type }) => type === 'outcome')
  return Object.fromEntries(ended.map(({ container, reason }) => [container ?? '', reason ?? '']))
}

function eventsOf(name: string, lines: readonly DemoLine[]): (string | undefined)[] {
  const own = lines.filter(({ type, container }) => type === 'event' && container === name)
  return own.map(({ event }) => event).filter((event) => event !== 'phase')
}

describe.each(runtimes)('on %s', (runtime) => {
  it('the demo succeeds with every container ended as its stack says, and leaves nothing behind', async () => {
    const { exitCode, lines, leftovers, stderr } = await runDemo(['--runtime', runtime, '--json'])
    expect(stderr).toBe('')
    expect(lines[0]).toMatchObject({ type: 'demo', kind: runtime === 'sim' ? 'simulated' : 'real' })
    const limitsMemory = runtime === 'sim' || (await canLimitMemory())
    const { 'no-command': ownWords, ...others } = outcomes(lines)
    expect(ownWords).toMatch(wordsForMissingCommand[runtime])
    expect(others).toEqual({
      'one-shot': 'exited 3',
      service: 'exited 0',
      stubborn: 'killed (SIGKILL inferred) after 2 s grace',
      pausing: 'exited 0',
      hungry: limitsMemory ? 'OOM killed' : 'not tried: host has no memory controller',
      brief: 'exited 0',
    })
    expect(lines.at(-1)).toMatchObject({
      type: 'summary',
      unexpected: [],
      notJudged: limitsMemory ? [] : ['hungry'],
    })
    expect(eventsOf('pausing', lines)).toEqual([
      'created',
      'started',
      'paused',
      'resumed',
      'exited',
      'deleted',
    ])
    expect(eventsOf('no-command', lines)).toEqual(['failed', 'deleted'])
    expect(leftovers).toEqual([])
    expect(exitCode).toBe(0)
  })

  it('the demo fails when a container does not end as its stack says, and names it', async () => {
    const { exitCode, lines, leftovers } = await runDemo([
      '--runtime',
      runtime,
      '--json',
      '--stack',
      stackFile(mixed),
    ])
    expect(lines.at(-1)).toMatchObject({
      asExpected: ['right'],
      unexpected: ['wrong', 'not-killed', 'not-missing'],
    })
    expect(leftovers).toEqual([])
    expect(exitCode).toBe(1)
  })

  it.each(['created', 'started'])('Ctrl-C once a container is %s stops and removes it', async (event) => {
    const args = ['--runtime', runtime, '--json', '--stack', stackFile(endless)]
    const { exitCode, lines, leftovers } = await runDemo(args, {
      onLine: (line, child) => {
        // The second one is that of somebody impatient.
        if (parseLine(line).event === event) child.kill('SIGINT')
        if (parseLine(line).type === 'interrupted') child.kill('SIGINT')
      },
    })
    expect(lines).toContainEqual(expect.objectContaining({ type: 'interrupted', by: 'SIGINT' }))
    expect(eventsOf('endless', lines).at(-1)).toBe('deleted')
    expect(leftovers).toEqual([])
    expect(exitCode).toBe(130)
  })

  it('a reader that goes away ends the demo, and its containers with it', async () => {
    const args = ['--runtime', runtime, '--json', '--stack', stackFile(talkative.join(''))]
    const { exitCode, leftovers } = await runDemo(args, {
      onLine: (line, child) => {
        if (parseLine(line).event === 'started') child.stdout.destroy()
      },
    })
    expect(leftovers).toEqual([])
    expect(exitCode).toBe(141)
  })
})

describe('the inspector', () => {
  it('has an address that is printed, and with --stay shows what has ended until Ctrl-C', async () => {
    const args = ['--runtime', 'sim', '--json', '--stay', '--stack', stackFile(short)]
    let address = ''
    const looks: Promise<void>[] = []
    const { exitCode, lines, leftovers } = await runDemo(args, {
      onLine: (line, child) => {
        const { type, url, event } = parseLine(line)
        if (type === 'inspector') address = url ?? ''
        if (event === 'exited') looks.push(seeStopped(address).then(() => void child.kill('SIGINT')))
      },
    })
    await Promise.all(looks)
    expect(looks).toHaveLength(1)
    expect(eventsOf('short', lines).at(-1)).toBe('deleted')
    expect(leftovers).toEqual([])
    expect(exitCode).toBe(130)
  })
})

/** Resolves when the overview of a new watcher has a container, and it is stopped. */
async function seeStopped(address: string): Promise<void> {
  const url = new URL(address)
  url.protocol = 'ws:'
  url.pathname = '/watch'
  const watcher = new Watcher(url.href)
  const stopped = containerPhases.indexOf('stopped')
  await watcher.frame(
    ({ type, rows }) => type === 'rows' && new RegExp(`\\[0,${stopped},`).test(JSON.stringify(rows)),
  )
  await watcher.close()
}

describe('without a terminal', () => {
  it('lines are plain, the first says what runs the containers, the last what came of them', async () => {
    const { stdout } = await runDemo(['--runtime', 'sim', '--stack', stackFile(mixed)])
    const lines = stdout.split('\n')
    expect(lines[0]).toMatch(/^simulated runtime, no real containers/)
    expect(lines).toContain('WRONG wrong        exited 3; expected: exit 4')
    expect(lines.at(-1)).toBe(
      '4 containers: 1 as expected, 3 not as expected (wrong, not-killed, not-missing)',
    )
    expect(stdout).not.toMatch(/\p{Cc}(?<!\n)/u)
  })
})

/** What it says when it cannot begin. */
async function refused(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr, leftovers } = await runDemo(args)
  expect({ exitCode, stdout, leftovers }).toEqual({ exitCode: 2, stdout: '', leftovers: [] })
  return stderr
}

describe('what cannot begin', () => {
  it('is a runtime that does not exist', async () => {
    expect(await refused('--runtime', 'nope')).toBe('--runtime "nope": must be one of runc, crun, sim')
  })

  it('is an option that does not exist', async () => {
    expect(await refused('--runtme=sim')).toMatch(/--runtme.*usage:/s)
  })

  it('is a stack file that is malformed: the message names every key that is wrong', async () => {
    const path = stackFile(`${endless}stop_after_ms = "soon"\nmemory = 1\n`)
    expect(await refused('--stack', path, '--runtime', 'sim')).toBe(
      `${path}: container[0].stop_after_ms must be a whole number of milliseconds from 0 to 3600000; container[0].memory is not a key of the stack file`,
    )
  })

  it('is a stack file that does not exist', async () => {
    expect(await refused('--stack', '/nowhere/stack.toml', '--runtime', 'sim')).toMatch(
      /^\/nowhere\/stack\.toml: /,
    )
  })
})
