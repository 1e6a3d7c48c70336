import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { ServerAvailability, type TemporalTarget } from '../temporal/index.ts';
import { abortable, sleep } from './abortable.ts';
import { serverGone, isUnreachable, toBatchError } from './temporal-failure.ts';

/** Options of a call to the server. */
export interface CallOptions {
  /** The job of the call, for the message of an error. */
  readonly jobId?: string;
  /** Ends the wait: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** True to retry while the server is unavailable, for at most `UNAVAILABLE_MS`. */
  readonly patient?: boolean;
  /** True for a long poll, which the server ends at an event. */
  readonly isLong?: boolean;
}

/** The maximum wait of a call for an unavailable server: long enough for a restart. */
const UNAVAILABLE_MS = 60_000;

/** A short call without a response after this time counts as a hanging server. */
const SILENT_MS = 10_000;

/** The interval at which a waiting call checks the availability of the server. */
const CHECK_MS = 1_000;

/** The delay between two retries; the SDK makes a few of its own in each. */
const RETRY_MS = 500;

/** How long `close()` waits for pending calls to end; for slower calls the connection is closed after they have ended. */
const CLOSE_MS = 1_000;

/**
 * Runs all calls of the client to Temporal's server. Errors are converted to this package's own, without gRPC's, whose metadata
 * contain the API key.
 */
export class TemporalCalls {
  readonly client: Client;
  readonly target: TemporalTarget;
  private readonly ownsConnection: boolean;
  private readonly availability: ServerAvailability;
  private readonly closing = new AbortController();
  /** Calls that the SDK has not ended yet. */
  private readonly pending = new Set<Promise<void>>();

  /** @param availability updated by every call of an own connection; without it, only the calls of this object are known */
  constructor(
    client: Client,
    target: TemporalTarget,
    ownsConnection: boolean,
    availability?: ServerAvailability,
  ) {
    this.client = client;
    this.target = target;
    this.ownsConnection = ownsConnection;
    this.availability = availability ?? new ServerAvailability();
  }

  /** @throws BatchError for every failure; the signal's reason after an abort */
  async run<T>(call: (client: Client) => Promise<T>, options: CallOptions = {}): Promise<T> {
    const { signal, jobId = null, patient = false, isLong = false } = options;
    const site = { jobId, target: this.target };
    // The last known state may be old.
    if (this.pending.size === 0) this.availability.recordAvailable();
    for (;;) {
      this.assertOpen();
      signal?.throwIfAborted();
      const giveUp = new AbortController();
      const stopChecking = this.checkAvailability(isLong, () => giveUp.abort());
      try {
        const result = await this.once(call, [giveUp.signal, ...(signal === undefined ? [] : [signal])]);
        this.availability.recordAvailable();
        return result;
      } catch (error) {
        signal?.throwIfAborted();
        this.assertOpen();
        if (giveUp.signal.aborted) throw serverGone(site);
        const isUnavailable = isUnreachable(error);
        if (isUnavailable) this.availability.recordUnavailableSince(performance.now());
        else this.availability.recordAvailable();
        if (!patient || !isUnavailable || this.availability.unavailableMs() > UNAVAILABLE_MS)
          throw toBatchError(error, site);
      } finally {
        stopChecking();
      }
      await sleep(RETRY_MS, signal);
    }
  }

  /** Calls `giveUp` when the server has been unavailable for too long, also if no call fails since the server hangs. Returns a stop function. */
  private checkAvailability(isLong: boolean, giveUp: () => void): () => void {
    const startedAt = performance.now();
    let probedAt = startedAt;
    const timer = setInterval(() => {
      const now = performance.now();
      if (!isLong && now - startedAt > SILENT_MS) this.availability.recordUnavailableSince(startedAt);
      // A long poll gets no response from a server that is available again either: a probe shows that it is.
      if (isLong && this.availability.unavailableMs() > 0 && now - probedAt > SILENT_MS) {
        probedAt = now;
        void this.probe();
      }
      if (this.availability.unavailableMs() > UNAVAILABLE_MS) giveUp();
    }, CHECK_MS);
    return () => clearInterval(timer);
  }

  private async probe(): Promise<void> {
    try {
      await this.client.withDeadline(Date.now() + SILENT_MS, () =>
        this.client.workflowService.getSystemInfo({}),
      );
      this.availability.recordAvailable();
    } catch (error) {
      if (!isUnreachable(error)) this.availability.recordAvailable(); // a refusal is a response
    }
  }

  /** Runs a call once; one of the signals, or `close()`, ends it early. */
  private async once<T>(call: (client: Client) => Promise<T>, endings: readonly AbortSignal[]): Promise<T> {
    // A controller for each call: the SDK never removes its listeners, and the signals of callers may live long.
    const ending = new AbortController();
    const end = (): void => ending.abort();
    const signals = [this.closing.signal, ...endings];
    // A long poll adds a listener for each request, for a day perhaps; neither they nor many concurrent calls are a leak.
    setMaxListeners(0, ending.signal, ...signals);
    for (const it of signals) it.addEventListener('abort', end, { once: true });
    const calling = this.client.withAbortSignal(ending.signal, () => call(this.client));
    const settled: Promise<void> = calling
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => this.pending.delete(settled));
    this.pending.add(settled);
    try {
      // Between two of its own attempts the SDK does not listen to the signal.
      return await abortable(calling, ending.signal);
    } finally {
      for (const it of signals) it.removeEventListener('abort', end);
    }
  }

  /** @throws BatchError `client_closed` */
  assertOpen(): void {
    if (!this.closing.signal.aborted) return;
    throw new BatchError(
      ErrorCode.ClientClosed,
      'This BatchClient is closed: connect a new one, or close it later.',
    );
  }

  /** Ends waiting calls; a connection of the application stays open. */
  async close(): Promise<void> {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    if (!this.ownsConnection) return;
    // A retry of the SDK over a closed connection throws in a timer, where it cannot be caught.
    const closed = Promise.all(this.pending).then(() => this.client.connection.close());
    closed.catch(() => undefined); // it may fail after the timeout below
    await Promise.race([closed, delay(CLOSE_MS, undefined, { ref: false })]);
  }
}
