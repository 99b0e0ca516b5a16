/** The demo cannot begin: its arguments, its stack or this host is not right. Everything later is an outcome. */
export class CannotBegin extends Error {
  override readonly name = 'CannotBegin'
}
