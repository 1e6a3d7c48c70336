import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, type Connection } from '@temporalio/client';
import { SHARD_KEY } from '../../src/openai/batch-metadata.ts';
import { jobIdentity, type JobSpec } from '../../src/core/job-spec.ts';
import { type EmulatorOptions, type LedgerSummary, startEmulator } from 'openai-batch-emulator';
import { brokenGuarantees, factsOfEmulator, type RowFacts } from '../support/guarantees.ts';
import type { StartSettings } from '../../src/index.ts';
import { keptSpec } from '../support/kept-spec.ts';
import { connectClient, resolveTemporalTarget, stopEmbeddedServer } from '../../src/temporal/index.ts';

/** The step at which a process strikes; see `crash-points.mjs`. */
export interface Strike {
  readonly step: string;
  readonly occurrence: number;
  /** The target: `both` the worker and the server, `client` the process `clientPid`, the others the process itself. */
  readonly kind: 'kill' | 'stop' | 'server' | 'reset' | 'both' | 'client';
  readonly clientPid?: number | undefined;
}

/** The end of a job without random values: ids of batches, times. */
export interface JobEnd {
  readonly rows: readonly Record<string, unknown>[];
  readonly report: Record<string, unknown>;
  readonly ledger: LedgerSummary;
  /** Guarantees that do not hold; what is paid twice or unread is in the ledger. */
  readonly broken: readonly string[];
}

/** One process of durable-batch. */
export interface Attacked {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  log(): string;
}

const root = join(import.meta.dirname, '../..');
const cli = join(root, 'dist/cli/main.js');
const preload = join(import.meta.dirname, 'crash-points.mjs');

/** A dead worker is detected after this time; on a busy machine a live one needs part of it to send a heartbeat at all. */
const HEARTBEAT_MS = 2_000;

const WORKFLOW_TASK_MS = 3_000;

/** Short enough that a job of a few shards continues as new several times. */
const MAX_HISTORY_EVENTS = 50;

/** No job takes minutes; one that makes no progress for so long will not end by itself. */
const DEADLINE_MS = 450_000;

/** The steps after the report (the end of its activity and of the workflow) follow within this time, even on a busy machine. */
const LAST_STEPS_MS = 60_000;

/** The steps after the end of the workflow are taken within this, except on busy machines. */
const AFTER_END_MS = 5_000;

/** Lines of the job; one of the input's lines is bad and ends `failed` unsent. */
const LINES = 13;
const BAD_LINE = 7;

/** Rows of the other jobs. */
const ROWS = 7;

/** At least four batches, two rounds, lines that fail first, always or permanently, and a refused POST. */
const emulatorOptions: EmulatorOptions = {
  lifecycle: {
    mode: 'timed',
    validatingMs: 50,
    inProgressMs: 400,
    perLineMs: 0,
    finalizingMs: 50,
    cancellingMs: 50,
  },
  faults: [
    { on: 'line', customId: ['2', '5', '10'], executions: 1, fault: { kind: 'status', status: 500 } },
    { on: 'line', customId: '9', executions: null, fault: { kind: 'status', status: 500 } },
    {
      on: 'line',
      customId: '12',
      executions: null,
      fault: { kind: 'status', status: 400, code: 'invalid_prompt' },
    },
    { on: 'call', call: 'batches.create', nth: 2, fault: { kind: 'status', status: 429 } },
  ],
};

/** What a job consists of: ready requests, rows whose answers have a schema, or rows whose embeddings share requests. */
export type Content = 'requests' | 'answers' | 'embeddings';

/** A Temporal server for jobs whose attack does not kill it. */
export interface SharedServer extends AsyncDisposable {
  readonly home: string;
  readonly address: string;
}

export async function startSharedServer(): Promise<SharedServer> {
  const home = mkdtempSync(join(tmpdir(), 'durable-batch-crash-'));
  const { connection } = await resolveTemporalTarget({ home });
  return {
    home,
    address: connection.address,
    async [Symbol.asyncDispose](): Promise<void> {
      await stopEmbeddedServer({ home });
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** The job ended without the step to attack. */
export class StepNotTaken extends Error {}

/** A job with an emulator, a store and a queue of its own, and the processes that work on it. */
export class JobUnderAttack implements AsyncDisposable {
  readonly out: string;
  private readonly folder: string;
  private readonly home: string;
  private readonly marks: string;
  private readonly emulator: Awaited<ReturnType<typeof startEmulator>>;
  private readonly spec: JobSpec;
  private readonly connection: Connection;
  private readonly client: Client;
  private readonly server: SharedServer | null;
  private readonly alive = new Set<Attacked>();

  private constructor(
    folder: string,
    server: SharedServer | null,
    emulator: Awaited<ReturnType<typeof startEmulator>>,
    spec: JobSpec,
    connection: Connection,
  ) {
    this.folder = folder;
    this.home = join(folder, 'home');
    this.marks = join(folder, 'marks');
    this.out = join(folder, 'out');
    this.server = server;
    this.emulator = emulator;
    this.spec = spec;
    this.connection = connection;
    this.client = new Client({ connection });
  }

  /** Prepares the job, but starts neither job nor worker; without a shared server the job has its own, which may be killed. */
  static async prepare(
    server: SharedServer | null,
    changes: EmulatorOptions = {},
    content: Content = 'requests',
  ): Promise<JobUnderAttack> {
    const folder = mkdtempSync(join(tmpdir(), 'durable-batch-crash-'));
    mkdirSync(join(folder, 'marks'));
    const input = join(folder, 'input.jsonl');
    writeFileSync(input, content === 'requests' ? inputText() : rowsText());
    const options = { input, jobId: jobIdOf(folder), ...JOB_OPTIONS };
    const spec = await keptSpec({ ...options, ...optionsOf[content] }, join(folder, 'home'));
    const target = await resolveTemporalTarget({ home: server?.home ?? join(folder, 'home') });
    const emulator = await startEmulator({ ...emulatorOptions, ...changes });
    return new JobUnderAttack(folder, server, emulator, spec, await connectClient(target));
  }

  /** Starts the job without a client process. */
  async start(): Promise<void> {
    await this.client.workflow.start('batchJob', {
      workflowId: this.spec.jobId,
      taskQueue: this.spec.jobId,
      args: [this.spec, undefined, { heartbeatMs: HEARTBEAT_MS, maxHistoryEvents: MAX_HISTORY_EVENTS }],
      // A stopped worker still receives tasks, which time out after this.
      workflowTaskTimeout: WORKFLOW_TASK_MS,
      memo: { durable_batch_identity: identityOf(this.spec) },
    });
  }

  worker(strike?: Strike): Attacked {
    const jobFolder = join(this.home, 'store/jobs', this.spec.jobId);
    return this.spawn(['worker'], [[jobFolder, '']], strike);
  }

  /** Starts `run --no-worker`, as a user with workers elsewhere does. */
  run(strike?: Strike): Attacked {
    const { jobId } = this.spec;
    const args = ['run', this.spec.input.path, '--no-worker', '--job', jobId, '--out', this.out];
    return this.spawn(
      [...args, ...jobFlags],
      [
        [join(this.home, 'run'), 'run/'],
        [this.out, 'out/'],
      ],
      strike,
    );
  }

  /** The steps taken so far by all processes, in order. */
  steps(): string[] {
    const path = join(this.marks, 'steps');
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  }

  isStruck(): boolean {
    return existsSync(join(this.marks, 'struck'));
  }

  /** Waits for the strike; throws `StepNotTaken` if the job ends without the step. */
  async untilStruck(): Promise<void> {
    let reportedAt: number | null = null;
    await this.until('the step', () => {
      if (this.isStruck()) return true;
      if (this.isReported()) reportedAt ??= Date.now();
      if (reportedAt !== null && Date.now() - reportedAt > LAST_STEPS_MS)
        throw new StepNotTaken(`The job ended without this step.\n${this.logs()}`);
      return false;
    });
  }

  /** Waits for the strike or the end of the job; returns whether the strike came first. */
  async isStruckBeforeItsEnd(): Promise<boolean> {
    await this.until(
      'the step or the end',
      async () => this.isStruck() || (this.isReported() && (await this.isEnded())),
    );
    // The last steps of a worker follow the end of the workflow.
    for (let wait = 0; wait < AFTER_END_MS && !this.isStruck(); wait += 50) await delay(50);
    return this.isStruck();
  }

  /** After a strike: the next process with one may strike, too. */
  allowNextStrike(): void {
    for (const mark of ['struck', 'count']) rmSync(join(this.marks, mark), { force: true });
  }

  /** Waits for the job's report in the store, and then for the end of its workflow. */
  async untilEnded(): Promise<void> {
    await this.until('the report', () => this.isReported());
    await this.until('the end of the workflow', () => this.isEnded());
  }

  private async isEnded(): Promise<boolean> {
    try {
      const { status } = await this.client.workflow.getHandle(this.spec.jobId).describe();
      if (status.name !== 'RUNNING' && status.name !== 'COMPLETED') throw new Error(status.name);
      return status.name === 'COMPLETED';
    } catch (error) {
      if (isUnavailable(error)) return false;
      throw error;
    }
  }

  /** The job's end; the rows come from `--out` if a client has run. */
  async end(): Promise<JobEnd> {
    const jobFolder = join(this.home, 'store/jobs', this.spec.jobId);
    const from = existsSync(join(this.out, 'report.json')) ? this.out : jobFolder;
    const rows = readFileSync(join(from, 'results.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((text) => {
        const { batch_id: batchId, ...row } = JSON.parse(text) as Record<string, unknown>;
        return { ...row, hasBatch: batchId !== null, response: withoutRandomValues(row['response']) };
      });
    const report = JSON.parse(readFileSync(join(from, 'report.json'), 'utf8')) as Record<string, unknown>;
    for (const field of ['job_id', 'started_at', 'finished_at']) delete report[field];
    return { rows, report, ledger: await this.ledger(), broken: await this.brokenGuarantees(rows) };
  }

  /** The guarantees that this job broke, except those of batches after its end, which the matrix judges. */
  private async brokenGuarantees(rows: readonly Record<string, unknown>[]): Promise<string[]> {
    const { batches, lines } = await factsOfEmulator(this.emulator);
    const facts = rows as unknown as readonly RowFacts[];
    return brokenGuarantees({ batches: batches.filter(({ isEnded }) => isEnded), lines }, facts, null);
  }

  async ledger(): Promise<LedgerSummary> {
    return (await (await fetch(`${this.emulator.adminUrl}/ledger`)).json()) as LedgerSummary;
  }

  /** The account's batches, newest first, each with its shard. */
  async batches(): Promise<{ id: string; status: string; shard: string }[]> {
    const response = await fetch(`${this.emulator.url}/batches?limit=100`, {
      headers: { authorization: 'Bearer any' },
    });
    const { data } = (await response.json()) as { data: BatchObject[] };
    return data.map(({ id, status, metadata }) => ({
      id,
      status,
      shard: metadata[SHARD_KEY]!.split('/')[1]!,
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.alive) child.kill('SIGKILL');
    await Promise.all([...this.alive].map(({ ended }) => ended));
    await this.connection.close();
    if (this.server === null) await stopEmbeddedServer({ home: this.home });
    await this.emulator.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The output of the processes, for a failing test. */
  logs(): string {
    return [...this.outputs].join('\n---\n');
  }

  private readonly outputs: string[] = [];

  private isReported(): boolean {
    return existsSync(join(this.home, 'store/jobs', this.spec.jobId, 'report.json'));
  }

  /** Polls until the condition holds. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const end = Date.now() + DEADLINE_MS;
    while (!(await condition())) {
      if (Date.now() > end) throw new Error(`Waited too long for ${what}.\n${this.logs()}`);
      await delay(50);
    }
  }

  private spawn(args: string[], roots: [string, string][], strike?: Strike): Attacked {
    const points = {
      folder: this.marks,
      job: this.spec.jobId,
      roots,
      ...(strike === undefined
        ? {}
        : { strike: { ...strike, serverFile: join(this.home, 'temporal/server.json') } }),
    };
    const child = spawn(process.execPath, [cli, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: this.folder,
      env: {
        ...process.env,
        NODE_OPTIONS: `--import ${preload}`,
        CRASH_POINTS: JSON.stringify(points),
        OPENAI_API_KEY: 'test',
        OPENAI_BASE_URL: this.emulator.url,
        DURABLE_BATCH_HOME: this.home,
        DURABLE_BATCH_TASK_QUEUE: this.spec.jobId,
        DURABLE_BATCH_PATIENCE: '0.02',
        ...(this.server === null ? {} : { TEMPORAL_ADDRESS: this.server.address }),
      },
    });
    let text = '';
    const at = this.outputs.push('') - 1;
    const record = (chunk: unknown): void => {
      text += String(chunk);
      this.outputs[at] = `${args[0]} ${child.pid}: ${text.slice(-4_000)}`;
    };
    child.stdout.on('data', record);
    child.stderr.on('data', record);
    const ended = once(child, 'close').then(([code, signal]) => {
      this.alive.delete(attacked);
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
    const attacked: Attacked = { child, ended, log: () => text };
    this.alive.add(attacked);
    return attacked;
  }
}

interface BatchObject {
  readonly id: string;
  readonly status: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Few lines a shard, so that a short job has many steps. */
export const JOB_OPTIONS = {
  shardLines: 3,
  attempts: 2,
  pollSeconds: 0.1,
  inFlight: 4,
  skipBadLines: true,
  tokenLimits: { '*': 1_000_000 },
} as const;
const jobFlags =
  '--shard-lines 3 --attempts 2 --poll 0.1 --in-flight 4 --skip-bad-lines --token-limit 1000000'.split(' ');

function inputText(): string {
  return Array.from({ length: LINES }, (_, i) =>
    i + 1 === BAD_LINE
      ? 'not JSON\n'
      : `${JSON.stringify({ custom_id: `id ${i + 1}`, body: { model: 'gpt-5-mini', messages: [{ role: 'user', content: `Prompt ${i + 1}` }] } })}\n`,
  ).join('');
}

function rowsText(): string {
  return Array.from({ length: ROWS }, (_, i) => `${JSON.stringify({ text: `Prompt ${i + 1}` })}\n`).join('');
}

/** The options of a job, by what it sends. */
const optionsOf: Readonly<Record<Content, Partial<StartSettings>>> = {
  requests: {},
  answers: {
    prompt: '{{ text }}',
    model: 'gpt-5-mini',
    answer: {
      type: 'object',
      properties: { ok: { type: 'boolean' } },
      required: ['ok'],
      additionalProperties: false,
    },
    skipBadLines: false,
    tellErrors: true,
  },
  embeddings: {
    prompt: '{{ text }}',
    model: 'text-embedding-3-small',
    endpoint: '/v1/embeddings',
    params: { dimensions: 4 },
    skipBadLines: false,
  },
};

function jobIdOf(folder: string): string {
  return `crash-${folder.slice(-6).replaceAll(/[^A-Za-z0-9]/g, 'x')}`;
}

/** The hash that the client compares when `run` re-joins a job. */
function identityOf(spec: JobSpec): string {
  return createHash('sha256').update(jobIdentity(spec, spec.input.sha256)).digest('hex');
}

/** Each answer of the emulator has an id and a time of its own. */
function withoutRandomValues(response: unknown): unknown {
  if (typeof response !== 'object' || response === null) return response;
  const { id, created, ...rest } = response as Record<string, unknown>;
  return { ...rest, hasId: typeof id === 'string', hasTime: typeof created === 'number' };
}

/** True while the server restarts. */
function isUnavailable(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (code === 14 || code === 4 || code === 1) return true;
  }
  return false;
}
