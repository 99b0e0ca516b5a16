/** A state directory in memory: containers outlive their runtime, not this process. */
import type { Container, ContainerOptions } from '../container.ts'
import { OciError } from '../errors/index.ts'
import { optionsOf } from './container-file.ts'
import type { StateDirectory, Survivor } from './state-directory.ts'
import type { StateRecord } from './state-record.ts'

/**
 * For tests and demonstrations on simulated runtimes: nothing is written anywhere. A runtime that is opened on the one of
 * an earlier runtime takes up its containers, as after a restart.
 */
export function memoryStateDirectory(): StateDirectory {
  const options = new Map<string, ContainerOptions>()
  const records = new Map<string, StateRecord>()
  const refused = new WeakSet<Container>()
  return {
    prepare: (container, record) => {
      const { id } = container
      if (options.has(id)) {
        refused.add(container)
        const message = `container ${id} has not been taken up yet: recover takes it up, or says why it cannot`
        return Promise.reject(
          new OciError('ERR_CONTAINER_EXISTS', message, { containerId: id, operation: 'createContainer' }),
        )
      }
      options.set(id, optionsOf(container))
      records.set(id, record)
      return Promise.resolve()
    },
    write: ({ id }, record) => {
      records.set(id, record)
      return Promise.resolve()
    },
    forget: async (container, onUnlisted) => {
      if (refused.has(container)) return
      options.delete(container.id)
      records.delete(container.id)
      await onUnlisted()
    },
    survivors: {
      list: () => Promise.resolve([...options.keys()].map((id) => ({ name: id, id }))),
      load: ({ name }): Promise<Survivor | undefined> => {
        const [found, record] = [options.get(name), records.get(name)]
        if (found === undefined || record === undefined) return Promise.resolve(undefined)
        return Promise.resolve({
          options: found,
          record: { ...record, state: { ...record.state, durable: true } },
        })
      },
      quarantine: ({ name }) => {
        options.delete(name)
        records.delete(name)
        return Promise.resolve(name)
      },
    },
  }
}
