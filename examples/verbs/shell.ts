/** An interactive shell in a container, on your terminal: `node examples/verbs/shell.ts` */
import { fromEvent, map, startWith } from 'rxjs'
import { withSandbox } from './sandbox.ts'

const { stdin, stdout } = process
const terminalSize = () => ({ width: stdout.columns, height: stdout.rows })

await withSandbox(async ({ runtime, container }) => {
  // Raw: the container's terminal echoes and handles Ctrl-C, not this one.
  if (stdin.isTTY) stdin.setRawMode(true)
  try {
    const exit = await runtime.execContainer(container, ['/bin/sh'], {
      tty: stdout.isTTY,
      stdin,
      stdout,
      ...(stdout.isTTY
        ? { resize$: fromEvent(stdout, 'resize').pipe(startWith(undefined), map(terminalSize)) }
        : { stderr: process.stderr }),
    })
    process.exitCode = exit.kind === 'code' ? exit.code : 255
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false)
    // A terminal that is being read keeps the process alive.
    stdin.pause()
  }
})
