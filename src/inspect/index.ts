/** `oci-supervisor/inspect`: watch a runtime's containers in a browser. `docs/inspector.md` tells how to use it. */
export { openInspector, type Inspectable, type Inspector, type InspectorOptions } from './inspector.ts'
export type { Reveal } from './redaction.ts'
export type { MetricsSource } from './server.ts'
