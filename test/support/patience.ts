/** How long a test waits for a fact that should come at once before it calls that a failure; or how much it lets wait. */

/** An emulated host (npm run test:hosts, test:fresh) takes ten times as long for everything, and more when others use the machine. */
const factor = process.env['OCI_SUPERVISOR_HOST'] === undefined ? 1 : 10

export const patience = (limit: number): number => factor * limit
