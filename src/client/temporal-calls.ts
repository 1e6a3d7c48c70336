import type { Client } from '@temporalio/client';
import { BatchError, ErrorCode } from '../core/errors.ts';
import type { TemporalTarget } from '../temporal/index.ts';
import { sleep } from './abortable.ts';
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

/**
 * The one way from the client to Temporal's server: errors come out as this package's own, without gRPC's, whose metadata
 * hold the API key.
 */
export class TemporalCalls {
  readonly client: Client;
  readonly target: TemporalTarget;
  private readonly ownsConnection: boolean;
  private readonly closing = new AbortController();

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
        const ends = [this.closing.signal, ...(signal === undefined ? [] : [signal])];
        return await this.client.withAbortSignal(AbortSignal.any(ends), () => call(this.client));
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
    if (this.ownsConnection) await this.client.connection.close();
  }
}
