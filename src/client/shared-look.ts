/**
 * One look at a time for all who ask. Whoever asks while a look is under way waits for that one, and a look that is young
 * enough is given again: ten watchers of a job cost the server as much as one.
 */
export class SharedLook<T> {
  private readonly look: () => Promise<T>;
  private pending: Promise<T> | null = null;
  private last: { readonly seen: T; readonly at: number } | null = null;

  constructor(look: () => Promise<T>) {
    this.look = look;
  }

  /** What was seen at most `maxAgeMs` ago, or is seen now. */
  async seen(maxAgeMs: number): Promise<T> {
    if (this.last !== null && performance.now() - this.last.at < maxAgeMs) return this.last.seen;
    this.pending ??= this.look()
      .then((seen) => {
        this.last = { seen, at: performance.now() };
        return seen;
      })
      .finally(() => {
        this.pending = null;
      });
    return await this.pending;
  }
}
