import { setMaxListeners } from 'node:events';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';

/** What a beat tells of long work with files, in bytes; whoever watches the job shows it. */
export interface BeatDetails {
  readonly done: number;
  /** 0 while it is not known. */
  readonly of: number;
}

/** How an attempt beats. */
interface BeatOptions {
  /** What each beat tells. */
  readonly details?: () => unknown;
  /** Beats within the heartbeat timeout. @default 4 */
  readonly beats?: number;
}

/** Runs work while telling Temporal that this attempt is alive; a worker that dies is noticed within the heartbeat timeout. */
export async function whileBeating<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { details, beats = 4 }: BeatOptions = {},
): Promise<T> {
  const timeoutMs = activityInfo().heartbeatTimeoutMs ?? 60_000;
  const beat = (): void => (details === undefined ? heartbeat() : heartbeat(details()));
  // The first beat is no sooner than needed: what ends before it costs none, and servers bill them.
  const timer = setInterval(beat, Math.max(250, timeoutMs / beats));
  const signal = cancellationSignal();
  // Each call of the API leaves a listener there (openai 6.49.0), which goes with the attempt: no leak to be warned of.
  setMaxListeners(0, signal);
  try {
    return await work(signal);
  } catch (error) {
    // Given up: whatever the work made of that, it has not failed. Refusals of the API still count.
    if (signal.aborted && !(error instanceof ApplicationFailure) && signal.reason instanceof CancelledFailure)
      throw signal.reason;
    throw error;
  } finally {
    clearInterval(timer);
  }
}
