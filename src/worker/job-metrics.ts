import { Runtime } from '@temporalio/worker';
import type { MetricMeter } from '@temporalio/common';
import { FailureType } from '../core/failure.ts';
import type { ApiCall } from '../openai/api-calls.ts';

/** What may be watched of a worker, besides Temporal's own metrics; docs/metrics.md says what each means. */
export interface JobMetrics {
  /** Lines that have ended or go again. */
  lines(outcome: LineOutcome, count: number): void;
  /** Lines that met an error, retried ones included. */
  lineErrors(code: string, count: number): void;
  /** `cached` is a part of `input`. */
  tokens(model: string, kind: 'input' | 'cached' | 'output', count: number): void;
  /** USD; a histogram, since counters here are whole numbers: its sum is the money, its count the shards. */
  cost(model: string, price: 'batch' | 'list', usd: number): void;
  /** A batch is on record. */
  batchCreated(how: 'created' | 'adopted'): void;
  /** A batch has ended, with the API's word for it. */
  batchEnded(status: string): void;
  /** The API refused a batch as a whole. */
  batchRefused(kind: string): void;
  /** A batch was found that was created on top of another. */
  duplicate(): void;
  /** A look at the batches in flight, and how long it took. */
  polled(seconds: number): void;
  /** A call of the API has ended. */
  apiCalled(call: ApiCall): void;
  /** An attempt of an activity has failed. */
  stepFailed(activity: string, kind: string): void;
  /** Bytes that were sent or received, also in attempts that failed. */
  transferred(direction: 'up' | 'down', bytes: number): void;
  /** A job has its report. */
  jobEnded(result: 'answered' | 'some_failed' | 'cancelled'): void;
  /** A call of the webhook's address was answered. */
  webhook(result: WebhookResult): void;
  /** The truth of the server, the same from every worker that tells it. */
  running(jobs: RunningJobs): void;
}

/** `again`: not answered by this batch, and sent again. */
const lineOutcomes = ['answered', 'failed', 'again', 'cancelled', 'rejected'] as const;
type LineOutcome = (typeof lineOutcomes)[number];

/** What became of a call of the webhook's address. */
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

/** Why jobs stand still. */
export const pauseReasons = ['asked', 'account', 'other_api', 'batch_unknown', 'unknown'] as const;
export type PauseReason = (typeof pauseReasons)[number];

/** Jobs that run at the server, added up. */
export interface RunningJobs {
  readonly byState: Readonly<Record<string, number>>;
  readonly pausedBy: Readonly<Record<PauseReason, number>>;
  readonly batchesByStatus: Readonly<Record<string, number>>;
  /** Age of the oldest batch in flight in seconds; 0 where there is none. */
  readonly oldestBatchSeconds: number;
  /** When this was read, in seconds since 1970. */
  readonly readAt: number;
}

/** States and statuses that are told also where no job and no batch has them: a series that vanishes would keep its last value. */
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

/** Bounds of the buckets of our histograms, by name; for the runtime's exporter. */
export const histogramBuckets: Readonly<Record<string, number[]>> = {
  durable_batch_api_call_seconds: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_200],
  durable_batch_poll_seconds: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  durable_batch_shard_cost_usd: [0.01, 0.1, 1, 10, 100, 1_000],
};

/** Models and error codes are words of users and of the API: this many of each are told apart, so that no input makes series without end. */
const DISTINCT_WORDS = 100;

/** Our metrics on the runtime's meter, which serves them beside Temporal's; without an exporter they cost nothing. */
export function createJobMetrics(meter: MetricMeter = Runtime.instance().metricMeter): JobMetrics {
  const counter = (name: string, says: string) => meter.createCounter(`durable_batch_${name}`, '', says);
  const gauge = (name: string, says: string) => meter.createGauge(`durable_batch_${name}`, 'float', '', says);
  const histogram = (name: string, says: string) =>
    meter.createHistogram(`durable_batch_${name}`, 'float', '', says);

  const lines = counter('lines', 'Lines by how a batch, or the job, left them.');
  const lineErrors = counter('line_errors', 'Lines without an answer by error code, retried ones included.');
  const tokens = counter('tokens', 'Tokens paid; cached ones are part of the input.');
  const cost = histogram('shard_cost_usd', 'What settled shards cost, in USD; the sum is the money.');
  const created = counter('batches_created', 'Batches that became known, by how.');
  const ended = counter('batches_ended', 'Batches that were seen to end, by status.');
  const refused = counter('batches_refused', 'Batches that the API refused as a whole, by why.');
  const duplicates = counter('batches_duplicate', 'Batches found that were created on top of others.');
  const polls = histogram('poll_seconds', 'One look at all batches in flight of a job.');
  const calls = histogram('api_call_seconds', 'Calls of the API to the headers of the answer.');
  const failures = counter('step_failures', 'Attempts of steps that failed, by activity and kind.');
  const bytes = counter('transferred_bytes', 'Bytes of whole files that went to and came from the API.');
  const jobsEnded = counter('jobs_ended', 'Jobs that have written their report, by result.');
  const webhooks = counter('webhook_events', "Calls of the webhook's address, by what became of them.");
  const jobs = gauge('jobs', 'Running jobs by state.');
  const paused = gauge('paused_jobs', 'Paused jobs by reason.');
  const inFlight = gauge('batches_in_flight', 'Batches in flight by status.');
  const oldest = gauge('oldest_batch_in_flight_seconds', 'Age of the oldest batch in flight.');
  const readAt = gauge('jobs_read_timestamp_seconds', 'When running jobs were last read from the server.');

  const model = boundedWords();
  const code = boundedWords();

  // A counter that is first seen with its first event has no increase to show for it.
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
    lineErrors: (word, count) => lineErrors.add(count, { code: code(word) }),
    tokens: (name, kind, count) => tokens.add(count, { model: model(name), kind }),
    cost: (name, price, usd) => cost.record(usd, { model: model(name), price }),
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

/** The first so many words as they are, and `other` for those that come after them. */
function boundedWords(): (word: string) => string {
  const known = new Set<string>();
  return (word) => {
    if (known.size < DISTINCT_WORDS) known.add(word);
    return known.has(word) ? word : 'other';
  };
}
