import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';

/** Runs work while telling Temporal that this attempt is alive; a worker that dies is noticed within the heartbeat timeout. */
export async function whileBeating<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const timeoutMs = activityInfo().heartbeatTimeoutMs ?? 60_000;
  heartbeat();
  const timer = setInterval(() => heartbeat(), Math.max(250, timeoutMs / 4));
  try {
    return await work(cancellationSignal());
  } finally {
    clearInterval(timer);
  }
}
