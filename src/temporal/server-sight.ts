/** gRPC's UNAVAILABLE: nobody answers at the address, or the connection broke off. */
const UNAVAILABLE = 14;

/** CANCELLED, UNKNOWN, DEADLINE_EXCEEDED and INTERNAL, which this side may have made up: they say nothing. */
const unsaid: ReadonlySet<number> = new Set([1, 2, 4, 13]);

/**
 * Since when a server is away, as calls tell that it answers and others that it does not. The SDK tries a call for some 20 s
 * before it fails: that time counts, too.
 */
export class ServerSight {
  private seenAt = Number.NEGATIVE_INFINITY;
  private missedAt: number | null = null;

  /** Takes notice of the end of one attempt to call it, by gRPC's code. */
  note(code: number): void {
    if (code === UNAVAILABLE) this.missedAt ??= performance.now();
    else if (!unsaid.has(code)) this.seen();
  }

  /** It has answered. */
  seen(): void {
    this.seenAt = performance.now();
    this.missedAt = null;
  }

  /** A call that was made at this time has no answer; it may have been too early, where others have been answered since. */
  missedSince(at: number): void {
    if (this.seenAt <= at) this.missedAt = Math.min(this.missedAt ?? at, at);
  }

  /** How long it has been away, in ms; 0 while it is there. */
  awayMs(): number {
    return this.missedAt === null ? 0 : performance.now() - this.missedAt;
  }
}
