/** How the machine comes to know, in any state with a process, that the process is gone. */

export const ends = {
  'container.exited': { target: '#container.exiting', actions: 'noteExit' },
  'process.gone': {
    target: '#container.exiting',
    actions: { type: 'noteGone', params: ({ event }: { event: { at: string } }) => ({ at: event.at }) },
  },
} as const

export const observedGone = {
  guard: 'observedGone',
  target: '#container.exiting',
  actions: { type: 'noteGone', params: ({ event }: { event: { at: string } }) => ({ at: event.at }) },
} as const
