/** A program that keeps the streams of a container, for tests that kill it. Its argument is the specification. */
import type { ContainerStreamsSpec } from '../../../../src/impl/vm/streams/streams.ts'
import { makeContainerStreams } from '../../../../src/impl/vm/streams/container-streams.ts'
import { fifosIn } from './fifos.ts'

// eslint-disable-next-line typescript/no-unsafe-type-assertion -- the test wrote it
const spec = JSON.parse(process.argv[2] ?? '') as ContainerStreamsSpec
const logger = { debug: tell, info: tell, warn: tell, error: tell }
const control = { closeStdin: () => Promise.resolve(), resize: () => Promise.resolve() }

function tell(_fields: object, message: string): void {
  process.stderr.write(`${message}\n`)
}

const streams = await makeContainerStreams({ logger, fifos: fifosIn(spec.directory) }, spec, control)
streams.starting()
process.stdout.write('made\n')
// The streams keep no process alive.
process.stdin.once('data', () => {
  streams.started()
  process.stdout.write('started\n')
})
