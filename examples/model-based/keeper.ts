/** The smallest orchestrator worth testing: keeps one service running, whatever becomes of its containers. */
import { Container, type ContainerEvent, type Runtime } from 'oci-supervisor'

export class Keeper {
  readonly #runtime: Runtime
  readonly #name: string
  #current: Container | undefined
  #count = 0
  #replacing: Promise<void> = Promise.resolve()

  constructor(runtime: Runtime, name: string) {
    this.#runtime = runtime
    this.#name = name
    runtime.events$.subscribe((event) => {
      if (event.type !== 'dropped' && this.mustReplace(event))
        this.#replacing = this.#replacing.then(() => this.replace())
    })
  }

  get current(): Container | undefined {
    return this.#current
  }

  /** Starts the service anew: what is left of it is removed first. */
  async replace(): Promise<void> {
    if (this.#current !== undefined) await this.#runtime.deleteContainer(this.#current)
    this.#count += 1
    const id = `${this.#name}-${this.#count}`
    this.#current = new Container({ id, bundlePath: `/bundles/${this.#name}` })
    await this.#runtime.createContainer(this.#current)
    await this.#runtime.startContainer(this.#current)
  }

  /** An exit counts whether or not anybody knows its code. */
  protected mustReplace(event: ContainerEvent): boolean {
    return event.type === 'exited' && event.containerId === this.#current?.id
  }
}
