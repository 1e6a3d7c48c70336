import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Connection } from '@temporalio/client';
import { Context, heartbeat } from '@temporalio/activity';
import proto from '@temporalio/proto';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Activities } from '../../src/activities/index.ts';
import { toWatchReply } from '../../src/activities/batches/watch-reply.ts';
import { batchesOf } from '../../src/core/batch-groups.ts';
import { stepQueuesOf } from '../../src/core/step-queues.ts';
import type { JobSpec } from '../../src/core/job-spec.ts';
import { connectClient, resolveTemporalTarget, stopEmbeddedServer } from '../../src/temporal/index.ts';

export const bundle: { codePath: string } = {
  codePath: fileURLToPath(new URL('../../dist/worker/workflow-bundle.cjs', import.meta.url)),
};

/** Starts a real server of its own, for workflow tests. */
export async function startServer(): Promise<{
  client: Client;
  native: NativeConnection;
  stop(): Promise<void>;
}> {
  const home = mkdtempSync(join(tmpdir(), 'durable-batch-workflow-'));
  const target = await resolveTemporalTarget({ home });
  const connection: Connection = await connectClient(target);
  const native = await NativeConnection.connect(target.connection);
  return {
    client: new Client({ connection, namespace: target.namespace }),
    native,
    stop: async () => {
      await native.close();
      await connection.close();
      await stopEmbeddedServer({ home });
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/**
 * With RECORD_HISTORIES=v0.2 a test writes the histories of all runs of its job for `test/replay`. Record them after every
 * released change of the workflows, and keep the older files.
 */
export async function recordHistories(client: Client, jobId: string): Promise<void> {
  const recordAs = process.env['RECORD_HISTORIES'];
  if (recordAs === undefined) return;
  for await (const { workflowId, runId } of client.workflow.list({ query: `WorkflowId = '${jobId}'` })) {
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    const name = `${recordAs}-${workflowId.replaceAll('/', '-')}-${runId.slice(-4)}.binpb`;
    writeFileSync(
      new URL(`../replay/histories/${name}`, import.meta.url),
      proto.temporal.api.history.v1.History.encode(history).finish(),
    );
  }
}

/** Simple activities: each poll returns the status of all batches. */
export type SimpleActivities = Omit<Activities, 'watchBatches'>;

/** The recorded ids of batches, by job, shard and number. */
const batchIds = new Map<string, string>();

/** Adds a `watchBatches` that calls `pollBatches` until a status has changed or its time has passed. */
function withWatch(simple: SimpleActivities): Activities {
  const keyOf = (job: string, shard: string, batch: number): string => `${job}/${shard}/${batch}`;
  return {
    ...simple,
    createBatch: async (request) => {
      const record = await simple.createBatch(request);
      batchIds.set(keyOf(request.job, request.shard, request.batch), record.batchId);
      return record;
    },
    watchBatches: async (request) => {
      const { job, turn, afterMs, lookMs } = request;
      const until = Date.now() + lookMs;
      const batches = [...batchesOf(request.groups)].map(({ shard, batch, status: known }) => ({
        shard,
        batch,
        known,
        batchId: batchIds.get(keyOf(job, shard, batch)) ?? shard,
      }));
      for (;;) {
        await Context.current().sleep(Math.max(1, afterMs));
        heartbeat();
        const readings = await simple.pollBatches({ job, batches, afterMs: 0, turn });
        const byId = new Map(readings.map((reading) => [reading.batchId, reading]));
        const polled = batches.map(({ batchId, ...batch }) => ({
          ...batch,
          reading: byId.get(batchId) ?? null,
        }));
        const reply = toWatchReply(polled, false);
        if (reply.changed.length > 0 || Date.now() >= until) return reply;
      }
    },
  };
}

/** Runs work while a worker with the real workflow bundle and these activities runs. */
export async function withWorker<T>(
  native: NativeConnection,
  taskQueue: string,
  activities: SimpleActivities,
  work: () => Promise<T>,
): Promise<T> {
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowBundle: bundle,
    activities: { ...withWatch(activities) },
  });
  return await worker.runUntil(work);
}

/** Runs work while a worker with this activity serves the task queue of polls. */
export async function withPollWorker<T>(
  native: NativeConnection,
  taskQueue: string,
  watchBatches: Activities['watchBatches'],
  work: () => Promise<T>,
): Promise<T> {
  const worker = await Worker.create({
    connection: native,
    taskQueue: stepQueuesOf(taskQueue).polls,
    activities: { watchBatches },
  });
  return await worker.runUntil(work);
}

export function specOf(jobId: string, changes: Partial<JobSpec> = {}): JobSpec {
  return {
    v: 1,
    jobId,
    input: { path: '/tmp/input.jsonl', bytes: 1, sha256: '00' },
    model: null,
    endpoint: null,
    shardLines: 10,
    shardBytes: 1_000_000,
    attempts: 3,
    pollMs: 50,
    inFlight: 4,
    skipBadLines: false,
    rebuy: false,
    giveUpAfterMs: null,
    ...changes,
  };
}

/** Activities of an API whose batches end at the second poll, with a record of the created batches. */
export function simpleApi(
  shards: number,
  againInRound: readonly number[] = [],
): { activities: SimpleActivities; created: string[]; most: () => number } {
  const created: string[] = [];
  const polls = new Map<string, number>();
  let inFlight = 0;
  let most = 0;
  const activities: SimpleActivities = {
    buildShards: async () => ({
      shards,
      lines: shards * 10,
      shardLines: Array.from({ length: shards }, () => 10),
      rejected: 0,
    }),
    uploadInput: async ({ shard }) => `file-${shard}`,
    createBatch: async ({ shard, batch }) => {
      created.push(`${shard}/${batch}`);
      inFlight += 1;
      most = Math.max(most, inFlight);
      return { batchId: `batch_${shard}_${batch}`, createdAt: 1_790_000_000, adopted: false };
    },
    pollBatches: async ({ batches }) =>
      batches.map(({ batchId }) => {
        const count = (polls.get(batchId) ?? 0) + 1;
        polls.set(batchId, count);
        return {
          batchId,
          status: count >= 2 ? 'completed' : 'in_progress',
          completed: 0,
          failed: 0,
          windowMs: null,
          refusal: null,
        };
      }),
    fetchResults: async ({ shard }) => {
      inFlight -= 1;
      const again = againInRound[Number(/^r(\d+)/.exec(shard)![1]) - 1] ?? 0;
      return { answered: 10 - again, failed: 0, again, inputTokens: 1, cachedTokens: 0, outputTokens: 1 };
    },
    settleRefusedShard: async ({ shard, refusal }) => ({
      answered: 0,
      failed: 10,
      again: 0,
      inputTokens: 0,
      cachedTokens: 0,
      outputTokens: 0,
      refused: `shard ${shard}, 10 lines from 1 to 10: HTTP ${refusal.status}`,
    }),
    buildRetryShards: async ({ shards: before }) => ({
      shards: before > 0 ? 1 : 0,
      lines: 10,
      shardLines: [10],
      rejected: 0,
    }),
    buildRebuyShards: async () => ({ shards: 0, lines: 0, shardLines: [], rejected: 0 }),
    buildPass: async () => await Promise.reject(new Error('no pass was asked for')),
    findBought: async () => [],
    cancelBatch: async () => undefined,
    checkAccount: async () => undefined,
    assembleResults: async ({ job, rounds }) => ({
      job_id: job,
      lines: shards * 10,
      answered: shards * 10,
      failed: 0,
      cancelled: 0,
      rounds,
      batches: created.length,
      input_tokens: 0,
      output_tokens: 0,
      cost_usd: null,
      cost_usd_without_batch: null,
      errors: {},
      started_at: '',
      finished_at: '',
    }),
  };
  return { activities, created, most: () => most };
}
