import { setMaxListeners } from 'node:events';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';

/** The progress of long file work in a heartbeat, in bytes; clients that follow the job show it. */
export interface HeartbeatDetails {
  readonly done: number;
  /** 0 while it is not known. */
  readonly of: number;
}

interface HeartbeatOptions {
  /** The details of each heartbeat. */
  readonly details?: () => unknown;
  /** Heartbeats within the heartbeat timeout. @default 4 */
  readonly beats?: number;
}

/** Runs work and sends heartbeats meanwhile: Temporal notices the death of a worker within the heartbeat timeout. */
export async function withHeartbeat<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { details, beats = 4 }: HeartbeatOptions = {},
): Promise<T> {
  const timeoutMs = activityInfo().heartbeatTimeoutMs ?? 60_000;
  const beat = (): void => (details === undefined ? heartbeat() : heartbeat(details()));
  // The first heartbeat is sent as late as possible: work that ends before it costs none, and servers bill them.
  const timer = setInterval(beat, Math.max(250, timeoutMs / beats));
  const signal = cancellationSignal();
  // Each call of the API adds a listener (openai 6.49.0). They end with the attempt, so the warning of a leak is wrong here.
  setMaxListeners(0, signal);
  try {
    return await work(signal);
  } catch (error) {
    // A cancelled attempt has not failed, whatever its work threw. Refusals of the API still count.
    if (signal.aborted && !(error instanceof ApplicationFailure) && signal.reason instanceof CancelledFailure)
      throw signal.reason;
    throw error;
  } finally {
    clearInterval(timer);
  }
}
