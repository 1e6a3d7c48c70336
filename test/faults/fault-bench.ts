import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { activityInfo } from '@temporalio/activity';
import { Client, type WorkflowHandle } from '@temporalio/client';
import OpenAI from 'openai';
import { expect } from 'vitest';
import { z } from 'zod';
import { BatchClient, type JobHandle, type TemplateOptions } from '../../src/client/index.ts';
import type { ResultRow } from '../../src/core/result-row.ts';
import type { JobOptions, JobSpec } from '../../src/core/job-spec.ts';
import type { JobProgress, JobReport } from '../../src/core/progress.ts';
import {
  startEmulator,
  type CallKind,
  type CallReport,
  type Emulator,
  type EmulatorOptions,
  type FaultRule,
  type LedgerSummary,
} from 'openai-batch-emulator';
import { embeddingVector } from '../../packages/openai-batch-emulator/src/answers/embedding.ts';
import { brokenGuarantees, factsOfEmulator, type Losses } from '../support/guarantees.ts';
import { keptSpec } from '../support/kept-spec.ts';
import { connectClient, resolveTemporalTarget, stopEmbeddedServer } from '../../src/temporal/index.ts';
import { installRuntime, startWorker } from '../../src/worker/index.ts';

/** One fault of the API, run as a whole job, and how the job has to end. */
export interface FaultRow {
  readonly faults?: readonly FaultRule[];
  readonly emulator?: EmulatorOptions;
  /** Lines of the input. @default 6 */
  readonly lines?: number;
  /** The prompt of line n, which its answer repeats. @default a text of its own */
  readonly text?: (line: number) => string;
  /** @default chat completions */
  readonly endpoint?: '/v1/responses';
  /** Whether the job is one of rows whose answers have a schema that only `REPLY` fits. @default false */
  readonly hasSchema?: boolean;
  /** Whether the job is one of rows of which embeddings are made, in shared requests. @default false */
  readonly isEmbedding?: boolean;
  readonly job?: Omit<JobOptions, 'input'>;
  /** Values that no option allows, such as giving up after less than an hour. */
  readonly spec?: Partial<JobSpec>;
  /** Scales the waits of the workflow. @default 0.002: 10 minutes become 1.2 s */
  readonly patience?: number;
  /** Runs once the job is started. */
  readonly during?: (scene: Scene) => Promise<void>;
  readonly ends: FaultEnd;
}

/** How a job has to end; lines that are not named are answered, and everything is paid once and read. */
export interface FaultEnd {
  /** The job stays paused with this reason. @default it ends with results */
  readonly pauses?: RegExp;
  /** Code of the error by line. */
  readonly failed?: Readonly<Record<number, string>>;
  readonly cancelled?: readonly number[] | 'any';
  /** Number of lines by the number of batches they were put into. @default all into one */
  readonly attempts?: Readonly<Record<number, number>>;
  /** @default 1 */
  readonly rounds?: number;
  /** Batches on record. @default 1 */
  readonly batches?: number | 'any';
  /** Batches that the API has created. @default as many as on record */
  readonly created?: number;
  /** Number of line executions by error code. @default {} */
  readonly errors?: Readonly<Record<string, number>>;
  /** Lines bought again because the API lost their paid answers. @default 0 */
  readonly paidTwice?: number;
  /** Batches whose output the API lost. @default 0 */
  readonly unread?: number;
  /** Distinct input files of the batches: a file may be used again. */
  readonly inputFiles?: number;
  /** Calls that the API has received. */
  readonly calls?: Partial<Record<CallKind, number>>;
}

/** A running job and its API. */
export interface Scene {
  readonly job: JobHandle;
  readonly workflow: WorkflowHandle;
  readonly emulator: Emulator;
  /** Waits until the progress is as expected, and returns it. */
  readonly until: (what: string, isExpected: (progress: JobProgress) => boolean) => Promise<JobProgress>;
  readonly ledger: () => Promise<LedgerSummary>;
  readonly calls: () => Promise<CallReport['calls']>;
  /** Waits until the API has received so many calls of a kind. */
  readonly untilCalls: (kind: CallKind, count: number) => Promise<void>;
  readonly addFault: (rule: FaultRule) => Promise<void>;
  readonly removeFault: (id: string) => Promise<void>;
}

/** The only answer that fits the schema of a row. */
const REPLY = 'yes';
const REPLY_JSON = JSON.stringify({ reply: REPLY });

/** A job takes seconds; a busy machine needs far longer. */
const DEADLINE_MS = 400_000;

/** A cancelled job must cancel its batches within fewer polls than this; one activity polls up to 20 times. */
const MOST_POLLS_BEFORE_CANCEL = 60;

/** Scales the waits of activities: 10 minutes become 3 s, the 90 s of a search 0.45 s. */
const ACTIVITY_PATIENCE = 0.005;

/** One server and one worker for all rows of a file; each row has an API of its own. */
export class FaultBench {
  private readonly home: string;
  private readonly client: BatchClient;
  private readonly workflows: Client;
  private readonly apis: Map<string, WatchedApi>;
  private readonly stop: () => Promise<void>;
  private rows = 0;

  private constructor(
    home: string,
    client: BatchClient,
    workflows: Client,
    apis: Map<string, WatchedApi>,
    stop: () => Promise<void>,
  ) {
    this.home = home;
    this.client = client;
    this.workflows = workflows;
    this.apis = apis;
    this.stop = stop;
  }

  static async start(): Promise<FaultBench> {
    installRuntimeOnce();
    const home = mkdtempSync(join(tmpdir(), 'durable-batch-faults-'));
    const target = await resolveTemporalTarget({ home });
    const apis = new Map<string, WatchedApi>();
    // The SDK as the worker creates it, but the same address leads each job to an API of its own.
    const api = new OpenAI({
      apiKey: 'test',
      baseURL: 'http://api.invalid/v1',
      maxRetries: 0,
      logLevel: 'off',
      timeout: 5_000,
      fetch: async (url, init) => {
        const { workflowId } = activityInfo().workflowExecution!;
        const watched = apis.get(workflowId)!;
        const path = (url as string).replace('http://api.invalid/v1', ''); // the SDK gives text
        watched.note(init?.method ?? 'GET', path);
        return await fetch(watched.url + path, init);
      },
    });
    const worker = await startWorker({
      target,
      home,
      taskQueue: 'faults',
      patience: ACTIVITY_PATIENCE,
      api,
      threads: 2,
    });
    const client = await BatchClient.connect({ home, target, taskQueue: 'faults' });
    const connection = await connectClient(target);
    return new FaultBench(
      home,
      client,
      new Client({ connection, namespace: target.namespace }),
      apis,
      async () => {
        await worker.close();
        await client.close();
        await connection.close();
        await stopEmbeddedServer({ home });
        rmSync(home, { recursive: true, force: true });
      },
    );
  }

  async close(): Promise<void> {
    await this.stop();
  }

  /** Runs a row as a whole job, and checks the guarantees of every job and the end that the row describes. */
  async run(row: FaultRow): Promise<void> {
    this.rows += 1;
    const id = `row-${this.rows}`;
    const lines = row.lines ?? 6;
    const text = row.text ?? ((line: number) => `Question ${line} of ${id}`);
    const asked = Array.from({ length: lines }, (_, index) => text(index + 1));
    await using emulator = await startEmulator({
      ...row.emulator,
      faults: [...(row.faults ?? [])],
    });
    const input = join(this.home, `${id}.jsonl`);
    writeFileSync(
      input,
      asked.map((content, i) => `${JSON.stringify(lineOf(row, i + 1, content))}\n`).join(''),
    );
    const options = { input, pollSeconds: 0.05, ...row.job, ...templateOf(row), jobId: id };
    const spec: JobSpec = { ...(await keptSpec(options, this.home)), ...row.spec };
    const api = new WatchedApi(emulator.url);
    this.apis.set(spec.jobId, api);
    const workflow = await this.workflows.workflow.start('batchJob', {
      workflowId: spec.jobId,
      taskQueue: 'faults',
      args: [spec, undefined, { patience: row.patience ?? 0.002 }],
    });
    const job = this.client.job(spec.jobId);
    const scene = sceneOf(job, workflow, emulator, api);
    try {
      await row.during?.(scene);
      if (row.ends.pauses !== undefined) {
        const { reason } = await scene.until('it pauses', ({ state }) => state === 'paused');
        expect(reason).toMatch(row.ends.pauses);
        await checkGuarantees(emulator, api, null, { ...row.ends, runs: true });
        return;
      }
      const report = await withDeadline(job.report(), `job ${spec.jobId} did not end`).catch(
        async (error: unknown) => {
          // However a job ends, what was paid is read and returned.
          await checkGuarantees(emulator, api, await rowsOf(job), row.ends);
          throw error;
        },
      );
      const rows = await rowsOf(job);
      checkRows(rows, report, repliesTo(row, asked), row.ends);
      await checkLedger(scene, report, row.ends);
      await checkGuarantees(emulator, api, rows, row.ends);
    } finally {
      await workflow.terminate().catch(() => undefined); // usually it has ended
    }
  }
}

/** A job's API, and the calls that its worker makes. */
class WatchedApi {
  readonly url: string;
  /** Polls after the job was cancelled and before it cancels a batch; null until the job is cancelled. */
  pollsUncancelled: number | null = null;
  private isCancelSent = false;

  constructor(url: string) {
    this.url = url;
  }

  note(method: string, path: string): void {
    if (method === 'POST' && path.endsWith('/cancel')) this.isCancelSent = true;
    const isPoll = method === 'GET' && path.startsWith('/batches') && !path.includes('after=');
    if (isPoll && this.pollsUncancelled !== null && !this.isCancelSent) this.pollsUncancelled += 1;
  }
}

async function rowsOf(job: JobHandle): Promise<ResultRow[]> {
  const rows: ResultRow[] = [];
  for await (const row of job.results()) rows.push(row);
  return rows;
}

/** Checks the guarantees of every job, whatever its row. */
async function checkGuarantees(
  emulator: Emulator,
  api: WatchedApi,
  rows: readonly ResultRow[] | null,
  losses: Losses,
): Promise<void> {
  expect(brokenGuarantees(await factsOfEmulator(emulator), rows, losses), 'broken guarantees').toEqual([]);
  expect(api.pollsUncancelled ?? 0, 'polls before the cancel').toBeLessThan(MOST_POLLS_BEFORE_CANCEL);
}

let installed = false;
function installRuntimeOnce(): void {
  if (!installed) installRuntime('error');
  installed = true;
}

/** The template of a row whose answers have a schema, or are vectors; nothing for the other rows. */
function templateOf({ hasSchema, isEmbedding, endpoint }: FaultRow): TemplateOptions {
  const row = { prompt: '{{ text }}', id: { column: 'custom_id' } };
  if (isEmbedding === true)
    return { ...row, model: 'text-embedding-3-small', endpoint: '/v1/embeddings', params: { dimensions: 4 } };
  if (hasSchema !== true) return {};
  return {
    ...row,
    model: 'gpt-5-mini',
    answer: z.object({ reply: z.literal(REPLY) }),
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

/** The answers to the prompts, as `answerIn` reads them. */
function repliesTo({ hasSchema, isEmbedding }: FaultRow, asked: readonly string[]): readonly string[] {
  if (hasSchema === true) return asked.map(() => REPLY_JSON);
  return isEmbedding === true ? asked.map(vectorOf) : asked;
}

/** A line of the input: a request, or a row. */
function lineOf({ endpoint, hasSchema, isEmbedding }: FaultRow, line: number, content: string): object {
  if (hasSchema === true || isEmbedding === true) return { custom_id: `id ${line}`, text: content };
  const body =
    endpoint === undefined
      ? { model: 'gpt-5-mini', messages: [{ role: 'user', content }] }
      : { model: 'gpt-5-mini', input: content };
  return { custom_id: `id ${line}`, body };
}

function sceneOf(job: JobHandle, workflow: WorkflowHandle, emulator: Emulator, api: WatchedApi): Scene {
  const cancel = job.cancel.bind(job);
  job.cancel = async (...options): ReturnType<JobHandle['cancel']> => {
    const cancelled = await cancel(...options);
    api.pollsUncancelled = 0;
    return cancelled;
  };
  const admin = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const json = { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const response = await fetch(emulator.adminUrl + path, { method, ...(body === undefined ? {} : json) });
    return await response.json();
  };
  const calls = async (): Promise<CallReport['calls']> =>
    ((await admin('GET', '/calls')) as CallReport).calls;
  return {
    job,
    workflow,
    emulator,
    until: async (what, isExpected) => {
      let last: JobProgress | null = null;
      const end = Date.now() + DEADLINE_MS;
      while (Date.now() < end) {
        last = (await job.status()).progress;
        if (last !== null && isExpected(last)) return last;
        await delay(50);
      }
      throw new Error(`Waited too long until ${what}; last progress: ${JSON.stringify(last)}`);
    },
    ledger: async () => (await admin('GET', '/ledger')) as LedgerSummary,
    calls,
    untilCalls: async (kind, count) => {
      const end = Date.now() + DEADLINE_MS;
      while ((await calls())[kind].count < count) {
        if (Date.now() > end) throw new Error(`The API never received ${count} calls of ${kind}.`);
        await delay(50);
      }
    },
    addFault: async (rule) => void (await admin('POST', '/faults', rule)),
    removeFault: async (id) => void (await admin('DELETE', `/faults/${id}`)),
  };
}

async function withDeadline<T>(promise: Promise<T>, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), DEADLINE_MS);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function checkRows(
  rows: readonly ResultRow[],
  report: JobReport,
  asked: readonly string[],
  ends: FaultEnd,
): void {
  expect(
    rows.map(({ line, id }) => [line, id]),
    'one row per line, in order',
  ).toEqual(asked.map((_, i) => [i + 1, `id ${i + 1}`]));
  const counted = { answered: 0, failed: 0, cancelled: 0 };
  for (const { status } of rows) counted[status] += 1;
  expect(report, 'the report counts its rows').toMatchObject({ lines: asked.length, ...counted });

  const anyCancelled = ends.cancelled === 'any';
  const cancelled = new Set(anyCancelled ? [] : ends.cancelled);
  const expected = asked.map((text, i) => {
    const code = ends.failed?.[i + 1];
    if (code !== undefined) return `failed ${code}`;
    return cancelled.has(i + 1) ? 'cancelled' : `answered ${text}`;
  });
  const actual = rows.map((row, i) =>
    anyCancelled && row.status === 'cancelled' ? expected[i] : describeRow(row),
  );
  expect(actual, 'how each line ended').toEqual(expected);

  if (ends.cancelled === undefined) {
    const attempts: Record<number, number> = {};
    for (const row of rows) attempts[row.attempts] = (attempts[row.attempts] ?? 0) + 1;
    expect(attempts, 'lines by batches they were put into').toEqual(ends.attempts ?? { 1: asked.length });
    expect(report.errors, 'errors met').toEqual(ends.errors ?? {});
  }
  expect(report.rounds, 'rounds').toBe(ends.rounds ?? 1);
  if (ends.batches !== 'any') expect(report.batches, 'batches on record').toBe(ends.batches ?? 1);
}

function describeRow({ status, response, error }: ResultRow): string {
  if (status === 'failed') return `failed ${error!.code}`;
  return status === 'cancelled' ? status : `answered ${answerIn(response)}`;
}

/** The emulator's vector of a text, with eight decimals. */
function vectorOf(text: string): string {
  return JSON.stringify(Array.from(embeddingVector(text, 4), (value) => Math.round(value * 1e8) / 1e8));
}

/** The emulator's answer repeats the prompt. */
function answerIn(response: unknown): string {
  const body = response as {
    choices?: { message: { content: string } }[];
    output?: { content: { text: string }[] }[];
    data?: { index?: number; embedding: number[] }[];
  };
  const [vector, ...others] = body.data ?? [];
  if (vector !== undefined && (vector.index ?? 0) === 0 && others.length === 0)
    return JSON.stringify(vector.embedding);
  return body.choices?.[0]?.message.content ?? body.output?.[0]?.content[0]?.text ?? 'nothing';
}

async function checkLedger(scene: Scene, report: JobReport, ends: FaultEnd): Promise<void> {
  const ledger = await scene.ledger();
  expect(ledger, 'the ledger').toMatchObject({
    lines_paid_twice_or_more: ends.paidTwice ?? 0,
    batches_unread: ends.unread ?? 0,
    batches: ends.created ?? report.batches,
  });
  if (ends.inputFiles !== undefined) {
    const api = new OpenAI({ apiKey: 'test', baseURL: scene.emulator.url });
    const { data } = await api.batches.list({ limit: 100 });
    expect(new Set(data.map((batch) => batch.input_file_id)).size, 'input files').toBe(ends.inputFiles);
  }
  if (ends.calls === undefined) return;
  const calls = await scene.calls();
  const counts = Object.keys(ends.calls).map((kind) => [kind, calls[kind as CallKind].count]);
  expect(Object.fromEntries(counts), 'calls').toEqual(ends.calls);
}
