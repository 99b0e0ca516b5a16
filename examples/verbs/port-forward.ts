/**
 * Makes a port of a container reachable on this host's loopback interface: `node examples/verbs/port-forward.ts`, then
 * `nc 127.0.0.1 PORT` with the port it prints. Ends with Ctrl-C.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { isOciError } from 'oci-supervisor'
import { withSandbox } from './sandbox.ts'

const portInside = 8080
const greeter = ['/bin/nc', '-ll', '-p', String(portInside), '-e', '/bin/echo', 'hello from inside']

await withSandbox(async ({ runtime, container }) => {
  // Half-open, so that either side may end its direction alone.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    runtime.portForwardContainer(container, portInside, socket).catch((error: unknown) => {
      console.error(isOciError(error) ? error.code : error)
      socket.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  console.log(`port ${typeof address === 'object' ? address?.port : ''}`)
  await once(process, 'SIGINT')
  server.close()
}, greeter)
