import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { JobHandle } from '../../client/job-handle.ts';
import { checkOutput, checkOutputPlace } from '../../output/save-output.ts';
import { BatchError, ErrorCode, isBatchError } from '../../core/errors.ts';
import { exitCodeOfEnd, mayRetry, type JobReport } from '../../core/progress.ts';
import type { StepBytes } from '../../client/pending-steps.ts';
import { withStoreErrors } from '../../client/store-errors.ts';
import { readEnvironment } from '../../environment.ts';
import { apiFingerprint, isOtherApi } from '../../store/job-api.ts';
import { jobFiles } from '../../store/job-files.ts';
import { openStore } from '../../store/open-store.ts';
import { joinSameJob } from '../../job/same-job.ts';
import { keepEmbeddedServer, resolveTemporalTarget } from '../../temporal/index.ts';
import type { JobWorker, JobWorkerOptions } from '../../worker/create-worker.ts';
import { closeWorker } from '../close-worker.ts';
import { lockJob } from '../job-lock.ts';
import {
  addJobOptions,
  addOutputOptions,
  hasOwnId,
  INPUT_HELP,
  outputsOf,
  sameJobMessage,
  type JobFlags,
  type OutputFlags,
  type OutputPath,
} from '../job-options.ts';
import { readStart, resolveRequest, unreadableMessage } from '../read-start.ts';
import { badFlag } from '../../core/bad-option.ts';
import { saveAll } from '../save-all.ts';
import { addSourceOptions, type SourceFlags } from '../source-options.ts';
import { startJob } from '../start-job.ts';
import { ProblemReporter } from '../job-problem.ts';
import type { ProgressView } from '../progress-view.ts';
import { toJson } from '../to-json.ts';

interface RunFlags extends JobFlags, SourceFlags, OutputFlags {
  worker: boolean;
  json?: boolean;
}

/** The interval between two polls of the progress. */
const WATCH_MS = 500;

/** Time for running steps to end if the server is away: as with a signal. */
const STEPS_MS = 10_000;

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .description('start or re-join a job, run it with a worker of its own, and write its results')
    .argument('[input...]', INPUT_HELP)
    .option(
      '--out <path>',
      'a .parquet, .csv or .jsonl file for a table of the results, a .npy file for vectors, or a folder for results.jsonl, report.json and report.html',
    );
  addOutputOptions(command)
    .option('--no-worker', 'only start and follow the job: workers run elsewhere')
    .option('--dry-run', 'print the first three requests and the counts; send nothing')
    .option('--json', 'print the report as JSON')
    .action(run);
  addSourceOptions(command);
  addJobOptions(command.optionsGroup('Job:'));
}

async function run(inputs: readonly string[], flags: RunFlags): Promise<void> {
  const request = await readStart(inputs, flags);
  if (flags.dryRun === true) {
    const { dryRun } = await import('../dry-run.ts');
    await dryRun(request, flags.json ?? false);
    return;
  }
  const { outputs } = request;
  if (outputs.out === undefined) throw badFlag('out', 'is missing: name a file or a folder for the results');
  const paths = outputsOf(outputs);
  for (const { path, options } of paths) await checkOutputPlace(path, options);
  const { home, taskQueue, patience } = readEnvironment();
  let view: ProgressView | null = null;
  const say = (text: string): void =>
    view === null ? void process.stderr.write(`${text}\n`) : view.say(text);
  const store = openStore(join(home, 'store'));
  await store.check();
  const start = await resolveRequest(request, store);
  const { spec: prepared, template } = start;
  const unreadable = unreadableMessage(start);
  if (unreadable !== null) say(unreadable);
  const { spec: joined, startedFrom } = hasOwnId(request)
    ? { spec: prepared, startedFrom: null }
    : await withStoreErrors(() => joinSameJob(store, prepared), prepared.jobId);
  let spec = joined;
  for (const { path, options } of paths) await checkOutput(store, spec, path, options, template);

  // A finished job needs neither key nor API.
  const sendsAgain = spec.rebuy || flags.retryFailed === true;
  const isFinished = !sendsAgain && (await store.size(jobFiles.report(spec.jobId))) !== null;
  const needsWorker = flags.worker && !isFinished;
  if (needsWorker) {
    const { checkApi } = await import('../../openai/check-api.ts');
    const { createApi } = await import('../../openai/client.ts');
    const api = createApi();
    await checkApi(api);
    const fingerprint = apiFingerprint(api.baseURL);
    if (await isOtherApi(store, spec.jobId, fingerprint)) {
      throw new BatchError(
        ErrorCode.JobConflict,
        `The batches of job ${spec.jobId} are at another API: set OPENAI_BASE_URL as it was, or start a new job with --fresh, which pays for every line again.`,
        { details: { jobId: spec.jobId } },
      );
    }
    spec = { ...spec, api: fingerprint };
  }
  await using _lock = await lockJob(home, spec.jobId);
  // Loading the client and the worker takes as long as the start of the server: both run at once, the server first.
  const target = await whileLaunching(
    (onLaunch) => resolveTemporalTarget({ home, log: say, onLaunch }),
    () => Promise.all([loadClient(), openView(), ...(needsWorker ? [loadWorker()] : [])]),
  );
  const { BatchClient } = await loadClient();
  await using client = await BatchClient.connect({ home, taskQueue, target });
  await using _server = target.kind === 'embedded' ? keepEmbeddedServer({ home, log: say }) : null;
  const starting = needsWorker ? startOwnWorker({ target, home, taskQueue, patience }) : null;
  starting?.catch(() => undefined); // awaited below: an error of the job's start is thrown first
  let worker: JobWorker | null = null;
  let isServerAway = false;
  try {
    const job = await startJob(client, { spec, template }, flags, say);
    say(`job        ${job.id}`);
    if (startedFrom !== null) say(sameJobMessage(job.id, startedFrom));
    if (target.uiUrl !== undefined) {
      say(`web ui     ${target.uiUrl}/namespaces/${target.namespace}/workflows/${job.id}`);
    }
    worker = await starting;
    view = await openView();
    const report = await followUntilStopped(job, { paths, worker, view });
    if (report === 'stopped') {
      process.exitCode = 1;
      return;
    }
    const { describeReport } = await loadReport();
    const shown = await job.named(report);
    process.stdout.write(flags.json === true ? `${toJson(shown)}\n` : `${describeReport(shown, paths)}\n`);
    if (report.failed > 0) for (const text of await refusalsOf(job)) say(text);
    if (mayRetry(report))
      say('To send the lines without an answer again: the same command with --retry-failed.');
    process.exitCode = exitCodeOfEnd(report);
  } catch (error) {
    isServerAway = isBatchError(error) && error.code === ErrorCode.TemporalUnavailable;
    throw error;
  } finally {
    const closing = (async () => {
      const own = worker ?? (await starting?.catch(() => null)) ?? null;
      if (own !== null) await closeWorker(own);
    })();
    closing.catch(() => undefined); // the failure was reported
    // A worker of a server that hangs can end only its steps.
    if (isServerAway) await Promise.race([closing, delay(STEPS_MS, undefined, { ref: false })]);
    else await closing;
  }
}

/** Shards that the API refused, with its message: printed only here, since it may quote a prompt. */
async function refusalsOf(job: JobHandle): Promise<string[]> {
  const refusals = await job.refusals().catch(() => []); // optional: the results are complete
  return refusals.map(({ shard, reason, text }) => {
    const message = text === null ? '' : `: ${JSON.stringify(text)}`;
    return `refused    shard ${shard}, ${reason}${message}`;
  });
}

const loadClient = () => import('../../client/index.ts');
const loadWorker = () => import('../../worker/index.ts');
/** Loads its modules at the first call; nothing is shown before the first progress. */
const openView = async () => (await import('../open-progress-view.ts')).openProgressView();
const loadReport = () => import('../render.ts');

/** Starts `work` when a server's process has been launched, or when it is known that none is needed. */
async function whileLaunching<T>(
  resolveTarget: (onLaunch: () => void) => Promise<T>,
  work: () => Promise<unknown>,
): Promise<T> {
  let target!: Promise<T>;
  const launched = new Promise<void>((resolve) => {
    target = resolveTarget(resolve);
  });
  await Promise.race([launched, target]);
  const [found] = await Promise.all([target, work()]);
  return found;
}

async function startOwnWorker(options: JobWorkerOptions): Promise<JobWorker> {
  const { installRuntime, startWorker } = await loadWorker();
  installRuntime('error');
  return await startWorker(options);
}

/** Returns the job's report, or `stopped` if a signal came first. */
async function followUntilStopped(
  job: JobHandle,
  { paths, worker, view }: { paths: readonly OutputPath[]; worker: JobWorker | null; view: ProgressView },
): Promise<JobReport | 'stopped'> {
  try {
    return await Promise.race([
      follow(job, paths, view),
      stopOnSignal(job, view, async () => (worker === null ? undefined : await closeWorker(worker))),
      ...(worker === null ? [] : [failWith(worker.stopped)]),
    ]);
  } finally {
    view.end('stay');
  }
}

/** Shows progress until the job has ended and its results are saved. */
async function follow(job: JobHandle, paths: readonly OutputPath[], view: ProgressView): Promise<JobReport> {
  let step: StepBytes | null = null;
  let ended = false;
  const watching = (async () => {
    const { report: onStatus } = new ProblemReporter((text) => view.say(text));
    const options = { intervalMs: WATCH_MS, onStep: (latest: StepBytes | null) => (step = latest), onStatus };
    for await (const progress of job.watch(options)) {
      if (ended) return;
      view.show(progress, step);
    }
  })();
  watching.catch(() => undefined); // progress is optional; `save` reports the end of the job
  try {
    const report = await saveAll(job, paths);
    view.end('make room');
    return report;
  } finally {
    ended = true;
  }
}

function stopOnSignal(
  job: JobHandle,
  view: ProgressView,
  close: () => Promise<void> | undefined,
): Promise<'stopped'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const stop = (): void => {
        // A second signal has its default effect. Removed later, not now: the handler that restores the terminal's cursor ends
        // the process during the first signal if it is the only listener.
        setImmediate(() => process.off(signal, stop));
        view.end('stay'); // the bars stay, and nothing is drawn over the message below
        process.stderr.write(
          `\nStopping. Job ${job.id} keeps its progress, and batches in flight continue at the API: run the same command to continue, or \`durable-batch cancel ${job.id}\` to cancel.\n`,
        );
        void Promise.resolve(close()).finally(() => resolve('stopped'));
      };
      process.on(signal, stop);
    }
  });
}

async function failWith(stopped: Promise<void>): Promise<never> {
  await stopped;
  return await new Promise(() => undefined); // the end of a closed worker is not the end of the job
}
