/**
 * An orchestrator in small: reads a stack file, runs its containers side by side, shows what happens to them and checks
 * that each ended as the file says. `supervise.ts` is the part to copy first.
 *
 * Deliberately not here: images, networks, restarting what failed.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { isOciError } from 'oci-supervisor'
import { openInspector } from 'oci-supervisor/inspect'
import { CannotBegin } from './cannot-begin.ts'
import { chooseRuntime, type RuntimeChoice } from './host.ts'
import { Interruption } from './interruption.ts'
import { makeMember, type Member } from './member.ts'
import { openRuntime } from './open-runtime.ts'
import { orchestrate } from './orchestrate.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { jsonReport, plainReport } from './report.ts'
import { makeRootfs } from './rootfs.ts'
import { readStack, type StackEntry } from './stack.ts'
import { liveTable } from './table.ts'
import type { View } from './view.ts'

const interruption = new Interruption()

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv)
  if (options.help) {
    process.stdout.write(usage)
    return 0
  }
  const stack = await readStack(options.stackPath)
  const choice = await chooseRuntime(options.runtime)
  // Everything that the demo writes is below this directory.
  const root = await mkdtemp(join(tmpdir(), 'oci-demo-'))
  try {
    const members = await makeMembers(stack, choice, root)
    const runtime = await openRuntime(choice, root)
    const view = viewOf(members, options)
    view.begin(choice, options.stackPath)
    interruption.signal.addEventListener('abort', () => view.interrupted(interruption.cause ?? ''))
    const inspector = await openInspector(runtime, { reveal: { labels: ['stack'] } })
    view.inspector(inspector.url, options.stay)
    const { stay } = options
    const results = await orchestrate({ runtime, choice, members, view, stop: interruption.signal, stay })
    await inspector.close()
    view.summary(results)
    return interruption.exitCode ?? (results.some(({ verdict }) => verdict === 'unexpected') ? 1 : 0)
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

async function makeMembers(
  stack: readonly StackEntry[],
  choice: RuntimeChoice,
  root: string,
): Promise<Member[]> {
  const rootfs = join(root, 'rootfs')
  if (choice.kind === 'real') await makeRootfs(rootfs)
  return Promise.all(stack.map((entry) => makeMember(entry, { prefix: basename(root), root, rootfs })))
}

const write = (text: string): unknown => process.stdout.write(text)

function viewOf(members: readonly Member[], options: Options): View {
  const names = new Map(members.map(({ container, entry }) => [container.id, entry.name]))
  if (options.json) return jsonReport(names, write)
  return process.stdout.isTTY ? liveTable(members, process.stdout) : plainReport(names, write)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  // What happens to a container is an outcome. An OciError that comes as far as this is about opening the runtime.
  if (!(error instanceof CannotBegin || isOciError(error))) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}
