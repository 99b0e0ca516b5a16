/** Limits of tests, by how slow the host is: how long they wait for what should come at once, how much they let wait. */

/** An emulated host (npm run test:hosts, test:fresh) takes ten times as long for everything, and more when others use the machine. */
const factor = process.env['OCI_SUPERVISOR_HOST'] === undefined ? 1 : 10

export const patience = (limit: number): number => factor * limit
