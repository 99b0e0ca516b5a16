import type { Readable } from 'node:stream'
import { Container, type ContainerOptions } from '../../../src/container.ts'
import type { Created, ExitFact } from '../../../src/impl/runtime-impl.ts'
import { SimulatedClock, SimulatedRuntime, type SimulatedRuntimeOptions } from '../../../src/testing.ts'

export const SIGKILL = 9
export const SIGTERM = 15

/** A simulated runtime, a listener to its exits, and the port's calls without their options. */
export function simulation(options: Omit<SimulatedRuntimeOptions, 'clock'> = {}) {
  const clock = new SimulatedClock()
  const sim = new SimulatedRuntime({ ...options, clock })
  return { clock, ...bound(sim) }
}

export function bound(sim: SimulatedRuntime) {
  const exits: ExitFact[] = []
  sim.exits.exits$.subscribe((fact) => exits.push(fact))
  const { signal } = new AbortController()
  const create = async (container: Container): Promise<Created> => {
    sim.exits.expect(container.id)
    return sim.create(container, { signal, cgroupParent: undefined })
  }
  const start = (container: Container): Promise<void> => sim.start(container, { signal })
  const run = async (container: Container): Promise<Created> => {
    const created = await create(container)
    await start(container)
    return created
  }
  return { sim, exits, signal, create, start, run }
}

export function containerOf(id: string, args?: string[], options: Partial<ContainerOptions> = {}): Container {
  const container = new Container({ id, bundlePath: `/bundles/${id}`, createdAt: new Date(0), ...options })
  if (args !== undefined) {
    container.setSpec({
      ociVersion: '1.0.2',
      process: { user: { uid: 0, gid: 0 }, args, cwd: '/' },
      linux: { namespaces: [{ type: 'pid' }] },
    })
  }
  return container
}

/** What a stream has given so far, and whether it has ended. */
export function readInto(stream: Readable | undefined): { text: string; isOver: boolean } {
  const seen = { text: '', isOver: false }
  stream?.on('data', (chunk: Buffer) => (seen.text += chunk.toString('latin1')))
  stream?.once('end', () => (seen.isOver = true))
  return seen
}
