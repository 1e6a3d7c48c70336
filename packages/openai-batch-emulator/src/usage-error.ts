/** One or more invalid options. The message names them and says what to do. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}
