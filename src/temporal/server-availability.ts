/** gRPC's UNAVAILABLE: no server responds at the address, or the connection was lost. */
const UNAVAILABLE = 14;

/** CANCELLED, UNKNOWN, DEADLINE_EXCEEDED and INTERNAL: the client may have set these itself, so they do not show whether the server is available. */
const ambiguousCodes: ReadonlySet<number> = new Set([1, 2, 4, 13]);

/**
 * How long a server has been unavailable, derived from the results of calls. The SDK retries a call for about 20 s before it
 * fails: that time counts, too.
 */
export class ServerAvailability {
  private availableAt = Number.NEGATIVE_INFINITY;
  private unavailableSince: number | null = null;

  /** Records the gRPC status code of one attempt of a call. */
  recordStatus(code: number): void {
    if (code === UNAVAILABLE) this.unavailableSince ??= performance.now();
    else if (!ambiguousCodes.has(code)) this.recordAvailable();
  }

  /** Records that the server has responded. */
  recordAvailable(): void {
    this.availableAt = performance.now();
    this.unavailableSince = null;
  }

  /** Records that a call started at `at` has no response. It is ignored if the server has responded to another call since. */
  recordUnavailableSince(at: number): void {
    if (this.availableAt <= at) this.unavailableSince = Math.min(this.unavailableSince ?? at, at);
  }

  /** How long the server has been unavailable, in ms; 0 while it is available. */
  unavailableMs(): number {
    return this.unavailableSince === null ? 0 : performance.now() - this.unavailableSince;
  }
}
