/** Options that are not what they should be. The message says which ones, and what to do. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}
