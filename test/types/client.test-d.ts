/** What the client's types promise to applications; `npm run types` checks it, nothing runs it. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { executeChild } from '@temporalio/workflow';
import { prepareChildJob, prepareJob, type ChildJob } from 'durable-batch/client';
import { hostActivities, workerTuning } from 'durable-batch/worker';
import type { batchJob } from 'durable-batch/workflows';
import type { WorkerOptions } from '@temporalio/worker';
import { expectTypeOf } from 'vitest';
import { z } from 'zod';
import {
  answerEmbedding,
  answerText,
  isBatchError,
  toTypedRow,
  type BatchClient,
  type BatchError,
  type ErrorCode,
  type JobFilter,
  type JobHandle,
  type JobOptions,
  type JobProgress,
  type JobReport,
  type JobState,
  type JobSummary,
  type ResultRow,
  type StartOptions,
  type TypedRow,
} from 'durable-batch';

const Review = z.object({ stars: z.number(), day: z.string().transform((text) => new Date(text)) });
declare const job: JobHandle;
declare const client: BatchClient;

/** Rows are typed by what the schema puts out, not by what it takes in. */
export async function rows(): Promise<void> {
  for await (const row of job.results({ schema: Review })) {
    expectTypeOf(row).toEqualTypeOf<TypedRow<{ stars: number; day: Date }>>();
    if (row.ok) {
      expectTypeOf(row.value).toEqualTypeOf<{ stars: number; day: Date }>();
      expectTypeOf(row.issues).toEqualTypeOf<null>();
      expectTypeOf(row.status).toEqualTypeOf<'answered'>();
    } else {
      expectTypeOf(row.value).toEqualTypeOf<undefined>();
    }
    // @ts-expect-error a value is there only where `ok` says so
    void row.value.stars;
  }
  for await (const row of job.results()) {
    expectTypeOf(row).toEqualTypeOf<ResultRow>();
    expectTypeOf(row.response).toBeUnknown();
    expectTypeOf(answerText(row)).toEqualTypeOf<string | null>();
    expectTypeOf(answerEmbedding(row)).toEqualTypeOf<number[] | null>();
    // @ts-expect-error without a schema there is no value
    void row.value;
  }
  const own: StandardSchemaV1<unknown, 'a' | 'b'> = null as never;
  for await (const row of job.results({ schema: own, signal: AbortSignal.timeout(1) })) {
    if (row.ok) expectTypeOf(row.value).toEqualTypeOf<'a' | 'b'>();
  }
  // @ts-expect-error a schema says how it judges
  job.results({ schema: { parse: () => 1 } });
  expectTypeOf(toTypedRow<typeof Review>).returns.resolves.toExtend<TypedRow<{ stars: number }>>();
}

/** Options are what the documentation says, and nothing else. */
export async function options(): Promise<void> {
  expectTypeOf<BatchClient['start']>().parameters.toEqualTypeOf<[options: StartOptions]>();
  expectTypeOf<JobOptions>().toExtend<StartOptions>();
  expectTypeOf<BatchClient['start']>().returns.resolves.toEqualTypeOf<JobHandle>();
  // @ts-expect-error a job has an input
  await client.start({ model: 'gpt-5-mini' });
  // @ts-expect-error an option that is misspelt is none
  await client.start({ input: 'x', shardLine: 5 });
  // @ts-expect-error milliseconds come by name
  job.watch(500);
  expectTypeOf(job.watch({ intervalMs: 500 })).toExtend<AsyncIterable<JobProgress>>();
  expectTypeOf<JobHandle['report']>().returns.resolves.toEqualTypeOf<JobReport>();
  expectTypeOf(client.list({ status: 'RUNNING', state: 'paused', limit: 3 })).toExtend<
    AsyncIterable<JobSummary>
  >();
  // @ts-expect-error `running` is a state; the status is RUNNING
  const filter: JobFilter = { status: 'running' };
  void filter;
}

/** What goes wrong is told apart by its code, of which there is a closed set. */
export function errors(error: unknown): string {
  if (!isBatchError(error)) return 'another';
  expectTypeOf(error).toEqualTypeOf<BatchError>();
  expectTypeOf(error.code).toEqualTypeOf<ErrorCode>();
  expectTypeOf(error.details.line).toEqualTypeOf<number | undefined>();
  expectTypeOf<'job_not_found'>().toExtend<ErrorCode>();
  expectTypeOf<JobProgress['state']>().toEqualTypeOf<JobState>();
  // @ts-expect-error not a code
  return error.code === 'not_found' ? 'missing' : error.code;
}

/** What applications with Temporal put together fits Temporal's own types. */
export async function hosting(): Promise<void> {
  const { activities } = await hostActivities({ home: 'x' });
  expectTypeOf({ ...activities }).toExtend<NonNullable<WorkerOptions['activities']>>();
  expectTypeOf(workerTuning).toExtend<Partial<WorkerOptions>>();
  const child = await prepareChildJob({ input: 'x' });
  expectTypeOf(child).toEqualTypeOf<ChildJob>();
  expectTypeOf(await executeChild<typeof batchJob>('batchJob', child)).toEqualTypeOf<JobReport>();
  expectTypeOf(await client.startSpec(await prepareJob({ input: 'x' }))).toEqualTypeOf<JobHandle>();
  expectTypeOf<(typeof BatchClient)['fromClient']>().parameter(0).toHaveProperty('workflow');
}
