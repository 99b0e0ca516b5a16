/** What a program without types may pass. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function wrongly<T>(value: unknown): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return value as T
}
