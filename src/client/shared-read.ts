/**
 * Shares one read at a time between all callers. A call during a read waits for it, and a recent result is returned again: ten
 * watchers of a job cost the server as much as one.
 */
export class SharedRead<T> {
  private readonly readNow: () => Promise<T>;
  private pending: Promise<T> | null = null;
  private last: { readonly value: T; readonly at: number } | null = null;

  constructor(readNow: () => Promise<T>) {
    this.readNow = readNow;
  }

  /** A result that is at most `maxAgeMs` old, or a new one. */
  async read(maxAgeMs: number): Promise<T> {
    if (this.last !== null && performance.now() - this.last.at < maxAgeMs) return this.last.value;
    this.pending ??= this.readNow()
      .then((value) => {
        this.last = { value, at: performance.now() };
        return value;
      })
      .finally(() => {
        this.pending = null;
      });
    return await this.pending;
  }
}
