/** Jobs of one series whose attempts access the store in any order, twice, and late: no two jobs buy the same line, and none waits forever. */
import { activityInfo } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ApplicationFailure, WorkflowNotFoundError } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { buildShards, type FirstPlan } from '../../src/activities/build-shards.ts';
import { checkJobOptions, resolveJobSpec, type JobSpec } from '../../src/core/job-spec.ts';
import { shardId } from '../../src/core/shard-plan.ts';
import { indexAnswers } from '../../src/file-work/earlier/index-answers.ts';
import type { FileWork } from '../../src/file-work/file-work.ts';
import { settleShard } from '../../src/file-work/rows/settle-shard.ts';
import { shardInput } from '../../src/file-work/shards/shard-input.ts';
import { BatchApi } from '../../src/openai/batch-api.ts';
import { FolderStore } from '../../src/store/folder-store.ts';
import { jobFiles, shardFiles } from '../../src/store/job-files.ts';
import { outputRow, requestLine } from '../support/file-job.ts';
import { TempFolder } from '../support/temp-folder.ts';

const SERIES = 'series';

/** A waiting job finds that the earlier one has ended within this number of polls, in any order of turns. */
const POLLS = 2_000;

const playedJob = fc.record({
  /** Lines of its input. */
  texts: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 }),
  /** How often its workflow is terminated before it has a plan, and started again; attempts of ended runs continue. */
  terminated: fc.nat(2),
  /** Attempts that run concurrently. */
  attempts: fc.integer({ min: 1, max: 2 }),
});

type PlayedJob = typeof playedJob extends fc.Arbitrary<infer T> ? T : never;

/** Runs actions one at a time, in an order that a seed decides. */
class Turns {
  private readonly waiting: (() => void)[] = [];
  private isTaken = false;
  private seed: number;

  constructor(seed: number) {
    this.seed = seed;
  }

  async take(): Promise<void> {
    const turn = new Promise<void>((resolve) => this.waiting.push(resolve));
    setImmediate(() => this.next());
    await turn;
  }

  end(): void {
    this.isTaken = false;
    setImmediate(() => this.next());
  }

  async in<T>(act: () => T | Promise<T>): Promise<T> {
    await this.take();
    try {
      return await act();
    } finally {
      this.end();
    }
  }

  private next(): void {
    if (this.isTaken || this.waiting.length === 0) return;
    this.isTaken = true;
    this.seed = (Math.imul(this.seed, 1_664_525) + 1_013_904_223) >>> 0;
    const [go] = this.waiting.splice(this.seed % this.waiting.length, 1);
    go!();
  }
}

/** A store in which every read and write is a turn. */
class TurnStore extends FolderStore {
  private readonly turns: Turns;

  constructor(folder: string, turns: Turns) {
    super(folder);
    this.turns = turns;
  }

  override async read(key: string): Promise<string | null> {
    return await this.turns.in(() => super.read(key));
  }

  override async size(key: string): Promise<number | null> {
    return await this.turns.in(() => super.size(key));
  }

  override async list(key: string): Promise<string[]> {
    return await this.turns.in(() => super.list(key));
  }

  override async replace(key: string, text: string): Promise<void> {
    await this.turns.in(() => super.replace(key, text));
  }

  override async moveToRoot(key: string): Promise<void> {
    await this.turns.in(() => super.moveToRoot(key));
  }

  override async removeAll(key: string): Promise<void> {
    await this.turns.in(() => super.removeAll(key));
  }

  override async claim(key: string, text: string): Promise<{ text: string; first: boolean }> {
    // In the same turn as the check whether the run is open, see `describe`: the code cannot check anything in between.
    if (!key.endsWith('/rounds/1.json')) return await this.turns.in(() => super.claim(key, text));
    try {
      return await super.claim(key, text);
    } finally {
      this.turns.end();
    }
  }
}

class Simulation {
  readonly bought: string[] = [];
  private readonly folder: TempFolder;
  private readonly turns: Turns;
  private readonly store: TurnStore;
  /** The open run of each job. */
  private readonly working = new Map<string, string>();
  private readonly abandoned: Promise<unknown>[] = [];

  constructor(folder: TempFolder, seed: number) {
    this.folder = folder;
    this.turns = new Turns(seed);
    this.store = new TurnStore(folder.path, this.turns);
  }

  async play(jobs: readonly PlayedJob[]): Promise<void> {
    await Promise.all(jobs.map(async (job, i) => await this.runJob(`job${i}`, job)));
    await Promise.all(this.abandoned);
  }

  private async runJob(jobId: string, { texts, terminated, attempts }: PlayedJob): Promise<void> {
    const spec = this.specOf(jobId, texts);
    for (let run = 0; run < terminated; run += 1) {
      await this.turns.in(() => this.working.set(jobId, `${jobId} ${run}`));
      this.abandoned.push(this.attempt(spec, `${jobId} ${run}`).catch(() => undefined));
      await this.turns.in(async () => {
        if ((await new FolderStore(this.folder.path).size(jobFiles.round(jobId, 1))) === null)
          this.working.delete(jobId);
      });
    }
    const run = `${jobId} last`;
    await this.turns.in(() => this.working.set(jobId, run));
    const plans = await Promise.all(
      Array.from({ length: attempts }, async () => await this.untilBuilt(spec, run)),
    );
    for (const plan of plans) expect(plan).toEqual(plans[0]);
    for (let index = 0; index < plans[0]!.shards; index += 1)
      await this.turns.in(() => this.answer(jobId, shardId(1, index)));
    await this.turns.in(() => this.put(jobFiles.report(jobId), '{}'));
    await this.turns.in(() => this.working.delete(jobId));
  }

  private async untilBuilt(spec: JobSpec, run: string): Promise<FirstPlan> {
    for (let poll = 0; poll < POLLS; poll += 1) {
      try {
        return await this.attempt(spec, run);
      } catch (error) {
        if (!(error instanceof ApplicationFailure) || error.type !== 'EarlierRunUnfinished') throw error;
      }
    }
    throw new Error(`${spec.jobId} waits forever`);
  }

  private async attempt(spec: JobSpec, runId: string): Promise<FirstPlan> {
    const deps = {
      api: new BatchApi(new OpenAI({ apiKey: 'test', baseURL: 'https://api.test/v1' }), 0),
      store: this.store,
      files: this.files as FileWork,
      patience: 0,
    };
    const workflowExecution = { workflowId: spec.jobId, runId };
    const logger = new DefaultLogger('ERROR', () => undefined);
    const environment = new MockActivityEnvironment({ workflowExecution }, { client: this.client, logger });
    const bound = buildShards.bind(null, deps);
    return await environment.run<[JobSpec], FirstPlan, typeof bound>(bound, spec);
  }

  private readonly files: Partial<FileWork> = {
    isBusyFor: () => false,
    shardInput: async (sharding) => await this.turns.in(() => shardInput(this.folder.path, sharding)),
    indexAnswers: async (answers) => await this.turns.in(() => indexAnswers(this.folder.path, answers)),
    warmUpDrawing: () => undefined,
  };

  private readonly client = {
    withAbortSignal: async (_: AbortSignal, call: () => Promise<unknown>) => await call(),
    workflow: {
      getHandle: (job: string) => ({
        describe: async () => {
          await this.turns.take();
          const { workflowId, runId: own } = activityInfo().workflowExecution!;
          const runId = this.working.get(job);
          // The claim of a run's plan follows the check of its own open run, in the same turn.
          if (job !== workflowId || runId !== own) this.turns.end();
          if (runId !== undefined) return { status: { name: 'RUNNING' }, runId };
          throw new WorkflowNotFoundError('', job, undefined);
        },
      }),
    },
  } as unknown as Client;

  /** Buys every line of a shard. */
  private answer(job: string, shard: string): void {
    const requests = readFileSync(this.folder.at(shardFiles.requests(job, shard)), 'utf8');
    let output = '';
    for (const text of requests.split('\n').slice(0, -1)) {
      const { custom_id: line, body } = JSON.parse(text) as {
        custom_id: string;
        body: { messages: [{ content: string }] };
      };
      this.bought.push(body.messages[0].content);
      output += outputRow(line, { usage: { prompt_tokens: 1, completion_tokens: 2 } });
    }
    this.put(shardFiles.output(job, shard, 1), output);
    const outcome = settleShard(this.folder.path, {
      job,
      shard,
      batch: 1,
      batchId: 'batch_1',
      status: 'completed',
      hasOutput: true,
      hasErrors: false,
      refused: [],
      missing: 'retry',
      attempts: 3,
    });
    this.put(shardFiles.outcome(job, shard), JSON.stringify(outcome));
  }

  private specOf(job: string, texts: readonly string[]): JobSpec {
    const bytes = texts.map((text) => `${requestLine(text)}\n`).join('');
    const path = this.put(`${job}.jsonl`, bytes);
    const options = checkJobOptions({ onlyNew: SERIES, shardLines: 1 });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return resolveJobSpec(options, { path, bytes: Buffer.byteLength(bytes), sha256 }, job);
  }

  private put(key: string, text: string): string {
    mkdirSync(dirname(this.folder.at(key)), { recursive: true });
    writeFileSync(this.folder.at(key), text);
    return this.folder.at(key);
  }
}

test('each line is bought by one of several jobs that start at once, are terminated and start again', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(playedJob, { minLength: 2, maxLength: 4 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      async (jobs, seed) => {
        using folder = new TempFolder();
        const simulation = new Simulation(folder, seed);
        await simulation.play(jobs);
        const wanted = new Set(jobs.flatMap(({ texts }) => texts));
        expect(simulation.bought.toSorted()).toEqual([...wanted].toSorted());
      },
    ),
    { numRuns: 40 },
  );
});
