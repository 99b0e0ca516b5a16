/**
 * A program that embeds the launcher, for tests that need to look at one from outside or kill it. Tells facts as lines
 * of JSON; the scenario is its first argument, a scratch directory its second.
 */
import { join } from 'node:path'
import { openLauncher } from '../../../src/impl/launcher/launcher.ts'
import { awaitStart, crowdSize, env, fakeMonitor, makeFifo } from './support-scripts.ts'

const [scenario = 'none', dir = '/'] = process.argv.slice(2)

function tell(fact: object): void {
  process.stdout.write(`${JSON.stringify(fact)}\n`)
}

const launcher = await openLauncher()
const noMove = async () => undefined

switch (scenario) {
  case 'idle':
    break
  case 'busy': {
    const running = launcher.run({ argv: ['sleep', '0.5'], env, timeoutMs: 20_000 })
    void running.then((result) => tell({ exitCode: result.exitCode }))
    break
  }
  case 'look': {
    const script = 'ls -l /proc/self/fd; cat /proc/self/limits; tr "\\0" "\\n" </proc/self/environ'
    const { stdout } = await launcher.run({ argv: ['sh', '-c', script], env, timeoutMs: 20_000 })
    const monitor = `${awaitStart}\nls -l /proc/self/fd >fds\necho '{"pid": 4242}' >&3`
    await launcher.spawnMonitor(fakeMonitor(dir, monitor), noMove)
    tell({ stdout, launcherPid: launcher.pid })
    await launcher.close()
    break
  }
  case 'unstarted': {
    const marking = `${awaitStart}\n: >started`
    void launcher.spawnMonitor(fakeMonitor(dir, marking), (pid) => {
      tell({ launcherPid: launcher.pid, pid })
      return new Promise(() => undefined)
    })
    break
  }
  case 'shaking': {
    // Answers only when it is told to, by a file, and tells in another one that the answer could be written.
    const slow = `${awaitStart}\n: >started\nuntil [ -e answer ]; do sleep 0.02; done
echo '{"pid": 4242}' >&3 && : >answered`
    void launcher.spawnMonitor(fakeMonitor(dir, slow), noMove)
    tell({ launcherPid: launcher.pid })
    break
  }
  case 'crowd': {
    // All of them answer at once, as soon as they are told to by a file.
    const slow = `${awaitStart}\n: >started.$$\nuntil [ -e answer ]; do sleep 0.02; done
sleep 600 4<&- 2>/dev/null &
echo $! >daemon.$$
echo '{"pid": 4242}' >&3 && : >answered.$$`
    const command = fakeMonitor(dir, slow)
    for (let each = 0; each < crowdSize; each += 1)
      void launcher.spawnMonitor({ ...command, syncFifo: makeFifo(dir) }, noMove).catch(() => undefined)
    for (let each = 0; each < crowdSize; each += 1)
      void launcher.run({ argv: ['sleep', '1'], env, timeoutMs: 20_000 }).catch(() => undefined)
    tell({ launcherPid: launcher.pid })
    break
  }
  case 'running': {
    const script = `echo $$ >pid; until [ -e end ]; do sleep 0.02; done; : >ended`
    void launcher.run({ argv: ['sh', '-c', script], env, cwd: join(dir), timeoutMs: 20_000 })
    tell({ launcherPid: launcher.pid })
    break
  }
  default:
    throw new Error(`no such scenario: ${scenario}`)
}
