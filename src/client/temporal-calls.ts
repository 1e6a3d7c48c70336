import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { BatchError, ErrorCode } from '../core/errors.ts';
import type { TemporalTarget } from '../temporal/index.ts';
import { abortable, sleep } from './abortable.ts';
import { isUnreachable, toBatchError } from './temporal-failure.ts';

/** What a call to the server is about. */
export interface CallOptions {
  /** Whose call it is, for the message of an error. */
  readonly jobId?: string;
  /** Ends the waiting: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** True to ask again while the server is away, at most `SERVER_AWAY_MS`. */
  readonly patient?: boolean;
}

/** A server that is being restarted is waited for this long. */
const SERVER_AWAY_MS = 60_000;

/** Between two attempts to reach it; the SDK makes a few of its own in each. */
const AWAY_POLL_MS = 500;

/** `close()` waits this long for calls to give up; the connection of slower ones is closed when they have. */
const CLOSE_MS = 1_000;

/**
 * The one way from the client to Temporal's server: errors come out as this package's own, without gRPC's, whose metadata
 * hold the API key.
 */
export class TemporalCalls {
  readonly client: Client;
  readonly target: TemporalTarget;
  private readonly ownsConnection: boolean;
  private readonly closing = new AbortController();
  /** Calls that the SDK has not given up yet. */
  private readonly pending = new Set<Promise<void>>();

  constructor(client: Client, target: TemporalTarget, ownsConnection: boolean) {
    this.client = client;
    this.target = target;
    this.ownsConnection = ownsConnection;
  }

  /** @throws BatchError, whatever goes wrong; the signal's reason after an abort */
  async run<T>(call: (client: Client) => Promise<T>, options: CallOptions = {}): Promise<T> {
    const { signal, jobId, patient = false } = options;
    let awaySince: number | null = null;
    for (;;) {
      this.assertOpen();
      signal?.throwIfAborted();
      try {
        return await this.once(call, signal);
      } catch (error) {
        signal?.throwIfAborted();
        this.assertOpen();
        awaySince ??= Date.now();
        if (!patient || !isUnreachable(error) || Date.now() - awaySince > SERVER_AWAY_MS) {
          throw toBatchError(error, { jobId: jobId ?? null, target: this.target });
        }
        await sleep(AWAY_POLL_MS, signal);
      }
    }
  }

  /** One call, which ends with the signal or the client, whichever comes first. */
  private async once<T>(call: (client: Client) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    // A controller for each call: the SDK never takes its listeners off, and signals of callers may live for long.
    const ending = new AbortController();
    const end = (): void => ending.abort();
    const signals = signal === undefined ? [this.closing.signal] : [this.closing.signal, signal];
    // As many calls wait at a time as there are jobs; each takes its listener off at its end: no leak to be warned of.
    for (const it of signals) setMaxListeners(0, it);
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

  /** Ends what waits; a connection that somebody else has made stays open. */
  async close(): Promise<void> {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    if (!this.ownsConnection) return;
    // An attempt that the SDK makes over a closed connection throws in a timer, where nobody catches it.
    const closed = Promise.all(this.pending).then(() => this.client.connection.close());
    closed.catch(() => undefined); // whoever no longer waits need not know
    await Promise.race([closed, delay(CLOSE_MS, undefined, { ref: false })]);
  }
}
