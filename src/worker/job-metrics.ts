import { Runtime } from '@temporalio/worker';
import type { MetricMeter } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import type { ApiCall } from '../openai/api-calls.ts';

/** The metrics of a worker, in addition to Temporal's own; docs/metrics.md explains each of them. */
export interface JobMetrics {
  /** Lines that have ended or are sent again. */
  lines(outcome: LineOutcome, count: number): void;
  /** Lines that ended with an error, retried ones included. */
  lineErrors(code: string, count: number): void;
  /** `cached` tokens are part of `input`. */
  tokens(model: string, kind: 'input' | 'cached' | 'output', count: number): void;
  /**
   * In USD, not rounded. A histogram, since counters here are integers: its sum is the cost, its count the number of shards. `round` is that of
   * the shard.
   */
  cost(of: { model: string; price: 'batch' | 'list'; round: number }, usd: number): void;
  /** The store has recorded a batch. */
  batchCreated(how: 'created' | 'adopted'): void;
  /** A batch has ended with this status. */
  batchEnded(status: string): void;
  /** The API refused a batch as a whole. */
  batchRefused(kind: string): void;
  /** A duplicate batch was found. */
  duplicate(): void;
  /** A poll of the batches in flight has ended, and took so long. */
  polled(seconds: number): void;
  /** An API call has ended. */
  apiCalled(call: ApiCall): void;
  /** An attempt of an activity has failed. */
  stepFailed(activity: string, kind: string): void;
  /** Bytes that were sent or received, including those of failed attempts. */
  transferred(direction: 'up' | 'down', bytes: number): void;
  /** A job has written its report. */
  jobEnded(result: 'answered' | 'some_failed' | 'cancelled'): void;
  /** A request to the webhook address was handled. */
  webhook(result: WebhookResult): void;
  /** The running jobs, as read from the server: every worker reports the same. */
  running(jobs: RunningJobs): void;
}

/** `again`: the batch has not answered the line, and it is sent again. */
const lineOutcomes = ['answered', 'failed', 'again', 'cancelled', 'rejected'] as const;
type LineOutcome = (typeof lineOutcomes)[number];

/** The result of a request to the webhook address. */
const webhookResults = [
  'woken',
  'repeated',
  'not_ours',
  'job_over',
  'other_event',
  'bad_signature',
  'bad_time',
  'malformed',
  'too_large',
  'bad_request',
  'unavailable',
] as const;
export type WebhookResult = (typeof webhookResults)[number];

/** Why jobs are paused. */
export const pauseReasons = ['asked', 'account', 'other_api', 'batch_unknown', 'unknown'] as const;
export type PauseReason = (typeof pauseReasons)[number];

/** The sums over all running jobs. */
export interface RunningJobs {
  readonly byState: Readonly<Record<string, number>>;
  readonly pausedBy: Readonly<Record<PauseReason, number>>;
  readonly batchesByStatus: Readonly<Record<string, number>>;
  /** Age of the oldest batch in flight in seconds; 0 without any. */
  readonly oldestBatchSeconds: number;
  /** When this was read, in seconds since 1970. */
  readonly readAt: number;
}

/** States and statuses that are reported even when they are 0: a series that is not set would keep its last value. */
const jobStates = ['building', 'running', 'paused', 'cancelling', 'assembling', 'unknown'] as const;
const statusesInFlight = [
  'created',
  'validating',
  'in_progress',
  'finalizing',
  'cancelling',
  'missing',
] as const;
const endedStatuses = ['completed', 'failed', 'expired', 'cancelled'] as const;

/** Bucket bounds of our histograms by name, for the runtime's exporter. */
export const histogramBuckets: Readonly<Record<string, number[]>> = {
  durable_batch_api_call_seconds: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_200],
  durable_batch_poll_seconds: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  durable_batch_shard_cost_usd: [0.01, 0.1, 1, 10, 100, 1_000],
};

/** Models and error codes come from users and the API: only so many values of each get their own series. */
const DISTINCT_VALUES = 100;

/** Creates our metrics on the runtime's meter, which serves them together with Temporal's; without an exporter they cost nothing. */
export function createJobMetrics(meter: MetricMeter = Runtime.instance().metricMeter): JobMetrics {
  const counter = (name: string, help: string) => meter.createCounter(`durable_batch_${name}`, '', help);
  const gauge = (name: string, help: string) => meter.createGauge(`durable_batch_${name}`, 'float', '', help);
  const histogram = (name: string, help: string) =>
    meter.createHistogram(`durable_batch_${name}`, 'float', '', help);

  const lines = counter('lines', 'Lines by their outcome in a batch or in the job.');
  const lineErrors = counter('line_errors', 'Lines without an answer by error code, retried ones included.');
  const tokens = counter('tokens', 'Paid tokens; cached ones are part of the input.');
  const cost = histogram('shard_cost_usd', 'Cost of settled shards in USD; the sum is the total cost.');
  const created = counter('batches_created', 'New batches: created, or adopted after a lost reply.');
  const ended = counter('batches_ended', 'Batches whose end a poll has found, by status.');
  const refused = counter('batches_refused', 'Batches that the API refused as a whole, by reason.');
  const duplicates = counter('batches_duplicate', 'Batches found that were created in addition to others.');
  const polls = histogram('poll_seconds', 'Duration of polls of all batches in flight of a job.');
  const calls = histogram('api_call_seconds', 'API calls until the headers of the response.');
  const failures = counter('step_failures', 'Attempts of steps that failed, by activity and kind.');
  const bytes = counter('transferred_bytes', 'Bytes of whole files sent to and received from the API.');
  const jobsEnded = counter('jobs_ended', 'Jobs that have written their report, by result.');
  const webhooks = counter('webhook_events', 'Requests to the webhook address, by result.');
  const jobs = gauge('jobs', 'Running jobs by state.');
  const paused = gauge('paused_jobs', 'Paused jobs by reason.');
  const inFlight = gauge('batches_in_flight', 'Batches in flight by status.');
  const oldest = gauge('oldest_batch_in_flight_seconds', 'Age of the oldest batch in flight.');
  const readAt = gauge('jobs_read_timestamp_seconds', 'When running jobs were last read from the server.');

  const model = boundedLabels();
  const code = boundedLabels();

  // A counter that first appears with the value 1 shows no increase.
  for (const outcome of lineOutcomes) lines.add(0, { outcome });
  for (const how of ['created', 'adopted']) created.add(0, { how });
  for (const status of endedStatuses) ended.add(0, { status });
  for (const kind of ['token_limit', 'file_not_found', 'billing']) refused.add(0, { kind });
  for (const result of ['answered', 'some_failed', 'cancelled']) jobsEnded.add(0, { result });
  for (const result of webhookResults) webhooks.add(0, { result });
  for (const direction of ['up', 'down']) bytes.add(0, { direction });
  for (const kind of Object.values(FailureType)) failures.add(0, { activity: '', kind });
  duplicates.add(0);

  return {
    lines: (outcome, count) => lines.add(count, { outcome }),
    lineErrors: (name, count) => lineErrors.add(count, { code: code(name) }),
    tokens: (name, kind, count) => tokens.add(count, { model: model(name), kind }),
    cost: ({ model: name, price, round }, usd) =>
      cost.record(usd, { model: model(name), price, round: round < 10 ? String(round) : '10+' }),
    batchCreated: (how) => created.add(1, { how }),
    batchEnded: (status) => ended.add(1, { status }),
    batchRefused: (kind) => refused.add(1, { kind }),
    duplicate: () => duplicates.add(1),
    polled: (seconds) => polls.record(seconds),
    apiCalled: ({ call, status, seconds }) => calls.record(seconds, { call, status }),
    stepFailed: (activity, kind) => failures.add(1, { activity, kind }),
    transferred: (direction, count) => bytes.add(count, { direction }),
    jobEnded: (result) => jobsEnded.add(1, { result }),
    webhook: (result) => webhooks.add(1, { result }),
    running: (now) => {
      for (const state of jobStates) jobs.set(now.byState[state] ?? 0, { state });
      for (const reason of pauseReasons) paused.set(now.pausedBy[reason], { reason });
      for (const status of statusesInFlight) inFlight.set(now.batchesByStatus[status] ?? 0, { status });
      oldest.set(now.oldestBatchSeconds);
      readAt.set(now.readAt);
    },
  };
}

/** Returns the first values unchanged, and `other` for all values after them. */
function boundedLabels(): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.size < DISTINCT_VALUES) known.add(value);
    return known.has(value) ? value : 'other';
  };
}
