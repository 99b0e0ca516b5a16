/** Runs one command in a container and says how it ended: `node examples/verbs/one-shot.ts uname -a` */
import { withSandbox } from './sandbox.ts'

const command = process.argv.length > 2 ? process.argv.slice(2) : ['/bin/uname', '-s']

await withSandbox(async ({ runtime, container }) => {
  const { exitCode, stdout, stderr, timedOut } = await runtime.execSyncContainer(container, command, 5)
  process.stdout.write(stdout)
  process.stderr.write(stderr)
  process.exitCode = timedOut ? 124 : exitCode
})
