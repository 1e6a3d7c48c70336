import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { ServerAvailability, type TemporalTarget } from '../temporal/index.ts';
import { abortable, sleep } from './abortable.ts';
import { serverGone, isUnreachable, toBatchError } from './temporal-failure.ts';

/** What a call to the server is about. */
export interface CallOptions {
  /** Whose call it is, for the message of an error. */
  readonly jobId?: string;
  /** Ends the waiting: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** True to ask again while the server is away, at most `SERVER_AWAY_MS`. */
  readonly patient?: boolean;
  /** True for a call that the server answers when something has happened. */
  readonly isLong?: boolean;
}

/** A server that is being restarted is waited for this long; no call waits longer for one that is away. */
const SERVER_AWAY_MS = 60_000;

/** A call that is not long and has no answer after this may have met a server that hangs. */
const SILENT_MS = 10_000;

/** How often a call that waits looks whether the server is away. */
const LOOK_MS = 1_000;

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
  private readonly availability: ServerAvailability;
  private readonly closing = new AbortController();
  /** Calls that the SDK has not given up yet. */
  private readonly pending = new Set<Promise<void>>();

  /** A connection of our own tells `availability` how its calls end; where there is none, only what fails is known of the server. */
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

  /** @throws BatchError, whatever goes wrong; the signal's reason after an abort */
  async run<T>(call: (client: Client) => Promise<T>, options: CallOptions = {}): Promise<T> {
    const { signal, jobId = null, patient = false, isLong = false } = options;
    const site = { jobId, target: this.target };
    // How it was when somebody asked last may be long ago.
    if (this.pending.size === 0) this.availability.recordAvailable();
    for (;;) {
      this.assertOpen();
      signal?.throwIfAborted();
      const giveUp = new AbortController();
      const stopLooking = this.whileAway(isLong, () => giveUp.abort());
      try {
        const answer = await this.once(call, [giveUp.signal, ...(signal === undefined ? [] : [signal])]);
        this.availability.recordAvailable();
        return answer;
      } catch (error) {
        signal?.throwIfAborted();
        this.assertOpen();
        if (giveUp.signal.aborted) throw serverGone(site);
        const isAway = isUnreachable(error);
        if (isAway) this.availability.recordUnavailableSince(performance.now());
        else this.availability.recordAvailable();
        if (!patient || !isAway || this.availability.unavailableMs() > SERVER_AWAY_MS)
          throw toBatchError(error, site);
      } finally {
        stopLooking();
      }
      await sleep(AWAY_POLL_MS, signal);
    }
  }

  /** Calls back when the server has been away for too long, also where nothing fails since it only hangs. */
  private whileAway(isLong: boolean, giveUp: () => void): () => void {
    const begunAt = performance.now();
    let probedAt = begunAt;
    const timer = setInterval(() => {
      const now = performance.now();
      if (!isLong && now - begunAt > SILENT_MS) this.availability.recordUnavailableSince(begunAt);
      // A long call that waits again at a server that is back has no answer either.
      if (isLong && this.availability.unavailableMs() > 0 && now - probedAt > SILENT_MS) {
        probedAt = now;
        void this.probe();
      }
      if (this.availability.unavailableMs() > SERVER_AWAY_MS) giveUp();
    }, LOOK_MS);
    return () => clearInterval(timer);
  }

  private async probe(): Promise<void> {
    try {
      await this.client.withDeadline(Date.now() + SILENT_MS, () =>
        this.client.workflowService.getSystemInfo({}),
      );
      this.availability.recordAvailable();
    } catch (error) {
      if (!isUnreachable(error)) this.availability.recordAvailable(); // a refusal is an answer
    }
  }

  /** One call, which ends with one of the signals or the client, whichever comes first. */
  private async once<T>(call: (client: Client) => Promise<T>, endings: readonly AbortSignal[]): Promise<T> {
    // A controller for each call: the SDK never takes its listeners off, and signals of callers may live for long.
    const ending = new AbortController();
    const end = (): void => ending.abort();
    const signals = [this.closing.signal, ...endings];
    // A long call asks again and again, for a day perhaps: no leak to be warned of, nor are many calls at a time.
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
