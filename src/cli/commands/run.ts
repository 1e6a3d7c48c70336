import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { BatchClient, checkOutputFolder, prepareJob, type JobHandle } from '../../client/index.ts';
import type { JobReport } from '../../core/progress.ts';
import { readEnvironment } from '../../environment.ts';
import type * as workerModule from '../../worker/index.ts';
import { keepEmbeddedServer } from '../../temporal/index.ts';
import { lockJob } from '../job-lock.ts';
import { addJobOptions, toJobOptions, type JobFlags } from '../job-options.ts';
import { describeReport, ProgressView } from '../render.ts';

interface RunFlags extends JobFlags {
  out: string;
  worker: boolean;
  json?: boolean;
}

/** How often a running job is asked for its progress. */
const WATCH_MS = 500;

export function addRun(program: Command): void {
  addJobOptions(program.command('run'))
    .description('start or re-join a job, work on it, and write its results to a folder')
    .argument('<input>', 'a .jsonl file of requests')
    .requiredOption('--out <dir>', 'folder for results.jsonl and report.json')
    .option('--no-worker', 'only start and follow the job: workers run elsewhere')
    .option('--json', 'print the report as JSON')
    .action(run);
}

async function run(input: string, flags: RunFlags): Promise<void> {
  const { home, taskQueue, patience } = readEnvironment();
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const spec = await prepareJob(toJobOptions(input, flags), flags.fresh);
  await checkOutputFolder(flags.out, spec.jobId);

  // Reading the worker's code takes as long as starting the server: do both at once.
  const workerCode = flags.worker ? import('../../worker/index.ts') : null;
  if (workerCode !== null) {
    const { checkApi, createApi } = await workerCode;
    await checkApi(createApi());
  }
  await using _lock = await lockJob(home, spec.jobId);
  await using client = await BatchClient.connect({ home, taskQueue, log: say });
  await using _server = client.target.kind === 'embedded' ? keepEmbeddedServer({ home, log: say }) : null;
  const job = await client.startSpec(spec);
  say(`job        ${job.id}`);
  if (client.target.uiUrl !== undefined) {
    say(`web ui     ${client.target.uiUrl}/namespaces/${client.target.namespace}/workflows/${job.id}`);
  }

  const finished = await job.isFinished();
  const worker =
    workerCode === null || finished
      ? null
      : await startOwnWorker(await workerCode, { target: client.target, home, taskQueue, patience });
  const stopping = stopOnSignal(job, async () => worker?.close());
  try {
    const report = await Promise.race([
      follow(job, flags.out),
      stopping,
      ...(worker === null ? [] : [failWith(worker.stopped)]),
    ]);
    if (report === 'stopped') {
      process.exitCode = 1;
      return;
    }
    process.stdout.write(
      flags.json === true
        ? `${JSON.stringify(report)}\n`
        : `${describeReport(report, join(resolve(flags.out), 'results.jsonl'))}\n`,
    );
    process.exitCode = report.cancelled > 0 ? 1 : report.failed > 0 ? 3 : 0;
  } finally {
    await worker?.close();
  }
}

type WorkerModule = typeof workerModule;

async function startOwnWorker(
  { installRuntime, startWorker }: WorkerModule,
  options: Parameters<WorkerModule['startWorker']>[0],
): Promise<Awaited<ReturnType<WorkerModule['startWorker']>>> {
  installRuntime('error');
  return await startWorker(options);
}

/** Shows progress until the job has ended and its results are in the folder. */
async function follow(job: JobHandle, out: string): Promise<JobReport> {
  const view = new ProgressView();
  let ended = false;
  const watching = (async () => {
    for await (const progress of job.watch(WATCH_MS)) {
      if (ended) return;
      view.show(progress);
    }
  })();
  try {
    return await job.save(out);
  } finally {
    ended = true;
    watching.catch(() => undefined); // progress is a courtesy; the end of the job is told by `save`
    view.end();
  }
}

function stopOnSignal(job: JobHandle, close: () => Promise<void> | undefined): Promise<'stopped'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.stderr.write(
          `\nStopping. Job ${job.id} keeps its place, and batches in flight go on at the API: run the same command to go on, or \`durable-batch cancel ${job.id}\`.\n`,
        );
        void Promise.resolve(close()).finally(() => resolve('stopped'));
      });
    }
  });
}

async function failWith(stopped: Promise<void>): Promise<never> {
  await stopped;
  return await new Promise(() => undefined); // a worker that was closed says nothing about the job
}
