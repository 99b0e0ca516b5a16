/**
 * Who may import whom, as data. A folder ends in `/`; the longest name that fits a file is its unit. A unit may always
 * import from itself; everything else it imports stands in its row. docs/architecture.md says why.
 */
export interface ImportRule {
  readonly imports: readonly string[]
  /** What may be imported with `import type` only: nothing of it exists at run time. */
  readonly types?: readonly string[]
}

/** All of Node's own modules but those that start processes, which are named where they are allowed. */
export const node = 'node:*'
/** All of src but runtime.ts and index.ts, and all packages. */
export const everything = '*'

/** The words that everybody speaks. */
const nouns = [
  'container.ts',
  'container-fields.ts',
  'bundle/oci-spec.ts',
  'signals.ts',
  'timestamp.ts',
  'errors/',
]
/** What everybody is handed instead of taking it from the process. */
const surroundings = ['surroundings/']

/** The effect port, and what every implementation of it needs. */
const effects = [
  'impl/runtime-impl.ts',
  'impl/attach-port.ts',
  'impl/check-port.ts',
  'impl/exec-port.ts',
  'impl/stats-port.ts',
  'impl/streams-port.ts',
  'impl/terminal-size.ts',
  'impl/sampling.ts',
  'impl/requests/',
  'impl/attach-client/',
  'impl/join-streams.ts',
]

/** What code that deals with this host and its containers stands on. */
const host = [
  ...nouns,
  ...surroundings,
  'bundle/bundle.ts',
  'bundle/spec-json.ts',
  'files.ts',
  'config/',
  ...effects,
  'impl/all-ended.ts',
  'impl/attach-bridge/',
  'impl/launcher/',
  'rxjs',
  'zod',
  node,
]

export const importTable: Readonly<Record<string, ImportRule>> = {
  'errors/': { imports: [] },
  'bundle/oci-spec.ts': { imports: ['errors/'] },
  'signals.ts': { imports: ['errors/'] },
  'timestamp.ts': { imports: ['errors/'], types: ['container.ts'] },
  'container-fields.ts': { imports: ['errors/'], types: ['container.ts'] },
  'container.ts': {
    imports: ['errors/', 'container-fields.ts', 'bundle/oci-spec.ts', 'signals.ts', 'timestamp.ts'],
  },

  'surroundings/clock.ts': { imports: ['timestamp.ts'], types: ['container.ts'] },
  'surroundings/logger.ts': { imports: ['pino'] },
  'surroundings/slices.ts': { imports: ['node:timers/promises'] },
  'bundle/spec-json.ts': { imports: [], types: ['surroundings/slices.ts'] },
  'bundle/spec-check.ts': {
    imports: ['errors/', 'bundle/spec-json.ts'],
    types: ['bundle/oci-spec.ts', 'surroundings/slices.ts'],
  },
  'bundle/swap-limit.ts': { imports: ['node:fs'] },
  'bundle/default-spec.ts': { imports: ['errors/', 'bundle/oci-spec.ts', 'bundle/swap-limit.ts'] },
  'files.ts': { imports: ['errors/', node] },
  'container-log/': { imports: ['errors/', node], types: ['container.ts'] },
  'bundle/bundle.ts': {
    imports: [
      ...nouns,
      'bundle/default-spec.ts',
      'bundle/spec-check.ts',
      'bundle/spec-json.ts',
      'surroundings/slices.ts',
      'files.ts',
      'store/',
      node,
    ],
  },
  'config/': { imports: ['errors/', 'files.ts', 'toml', 'zod', 'node:fs', 'node:fs/promises', 'node:path'] },
  'store/': { imports: [...nouns, 'files.ts', 'zod', node] },

  // Pure: a machine can do nothing but say what is to be done.
  'machines/': { imports: [...nouns, 'xstate'] },
  // The actors read and watch exit files themselves, so they have the file system, and nothing else of the host.
  'actors/': {
    imports: [
      ...nouns,
      'files.ts',
      'machines/',
      'store/',
      'impl/runtime-impl.ts',
      // Reading who a pid is, for the monitor probe and after a restart.
      'impl/process-identity.ts',
      ...surroundings,
      'xstate',
      'rxjs',
      'node:fs',
      'node:fs/promises',
      'node:path',
    ],
    types: ['impl/exec-port.ts'],
  },

  // Implementations never see machines or actors.
  'impl/': { imports: [...host, 'impl/host/'] },
  // This host and the OCI runtimes on it, for whoever runs containers there.
  'impl/host/': { imports: [...host, 'impl/'] },
  'impl/oci/': { imports: [...host, 'impl/', 'impl/host/'] },
  // The port is types only: whoever implements it outside of this package needs nothing of ours at run time.
  'impl/runtime-impl.ts': {
    imports: [],
    types: [
      ...nouns,
      'impl/attach-port.ts',
      'impl/check-port.ts',
      'impl/exec-port.ts',
      'impl/stats-port.ts',
      'impl/streams-port.ts',
      'rxjs',
    ],
  },
  'impl/terminal-size.ts': { imports: [] },
  'impl/sampling.ts': { imports: ['errors/'] },
  // What must be true of a request whoever is to do it. Pure.
  'impl/requests/': {
    imports: ['errors/', 'impl/attach-client/'],
    types: ['bundle/oci-spec.ts', 'impl/exec-port.ts'],
  },
  'impl/join-streams.ts': { imports: [node] },
  'impl/all-ended.ts': { imports: [] },
  // The clients' own streams, whoever holds the container's.
  'impl/attach-client/': {
    imports: ['errors/', 'surroundings/clock.ts', node],
    types: ['container.ts', 'impl/attach-port.ts', 'impl/terminal-size.ts', 'rxjs'],
  },
  'impl/attach-port.ts': { imports: [], types: ['impl/terminal-size.ts', 'rxjs', node] },
  'impl/exec-port.ts': {
    imports: ['errors/'],
    types: ['impl/terminal-size.ts', 'container.ts', 'rxjs', node],
  },
  'impl/attach-bridge/': {
    imports: [...nouns, ...surroundings, 'impl/', 'node-unix-socket', node],
  },
  // It writes logs, and so has to know what their reader takes.
  'impl/vm/streams/': { imports: [...nouns, ...surroundings, 'files.ts', 'container-log/', 'impl/', node] },
  'impl/stats-port.ts': { imports: [] },
  'impl/streams-port.ts': { imports: ['errors/'], types: ['container.ts', 'impl/runtime-impl.ts', node] },
  // The only place where processes are started.
  'impl/launcher/': {
    imports: [...nouns, ...surroundings, 'files.ts', 'impl/', node, 'node:child_process', 'execa', 'zod'],
  },
  'impl/vm/': {
    imports: [
      ...nouns,
      ...surroundings,
      'bundle/bundle.ts',
      'bundle/spec-json.ts',
      'container-log/',
      'files.ts',
      'config/',
      'impl/',
      'impl/host/',
      'rxjs',
      'zod',
      node,
      '@bufbuild/protobuf',
    ],
  },
  // It runs on any laptop: no host, no files.
  'impl/sim/': {
    imports: [...nouns, ...surroundings, ...effects, 'rxjs', 'node:stream', 'node:timers/promises'],
  },

  // What embedders test their own code with; it knows nothing of how the library works.
  'model/': { imports: ['errors/', 'xstate', 'xstate/graph'], types: ['container.ts'] },

  // Only whoever imports `oci-supervisor/metrics` needs prom-client.
  'observe/metrics/': { imports: [...nouns, 'prom-client', 'node:perf_hooks'], types: ['observe/'] },
  'observe/': { imports: [...nouns, ...surroundings, 'pino', 'rxjs', node], types: ['machines/', 'actors/'] },
  // It looks and never acts: of the actors it has the types only, of the machines the words.
  'inspect/': {
    imports: [
      ...nouns,
      ...surroundings,
      'actors/start-actor.ts',
      'bundle/bundle.ts',
      'container-log/',
      'files.ts',
      'machines/events.ts',
      'machines/phase.ts',
      'ws',
      node,
    ],
    types: ['machines/', 'actors/', 'observe/', 'impl/stats-port.ts', 'xstate'],
  },
  // Bundled for browsers.
  'inspect/page/': { imports: ['inspect/protocol.ts', 'preact'], types: [] },

  'surroundings/abort.ts': { imports: ['errors/'], types: ['surroundings/clock.ts'] },
  'surroundings/contained-observable.ts': { imports: ['rxjs'] },
  'surroundings/keep-alive.ts': { imports: [] },
  // What makes one thing of all the parts. runtime.ts is its front, which only index.ts shows to the world.
  'compose.ts': { imports: [everything, node] },
  // How a container comes to have an actor made of them.
  'registration.ts': {
    imports: [...nouns, 'config/', 'machines/delays.ts'],
    types: ['compose.ts', 'actors/'],
  },
  'runtime.ts': { imports: [everything, node, 'registration.ts'] },
  // Parts of its front.
  'runtime/': {
    imports: [...nouns, 'impl/exec-port.ts', node],
    types: [...surroundings, 'bundle/oci-spec.ts', 'compose.ts', 'runtime.ts', 'actors/', 'impl/'],
  },
  'metrics.ts': { imports: ['observe/metrics/'] },
  'testing.ts': { imports: [everything] },
  'index.ts': { imports: [everything, node, 'runtime.ts'] },
}
