import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { JobHandle } from '../../client/job-handle.ts';
import { checkOutputFolder } from '../../output/check-output.ts';
import { prepareJob } from '../../job/prepare-job.ts';
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
import { addJobOptions, hasOwnId, sameJobMessage, toJobOptions, type JobFlags } from '../job-options.ts';
import { startJob } from '../start-job.ts';
import { ProblemReporter } from '../job-problem.ts';
import type { ProgressView } from '../progress-view.ts';
import { toJson } from '../to-json.ts';

interface RunFlags extends JobFlags {
  out: string;
  worker: boolean;
  json?: boolean;
}

/** How often a running job is asked for its progress. */
const WATCH_MS = 500;

/** What running steps get where the server is away: as with a signal. */
const STEPS_MS = 10_000;

export function addRun(program: Command): void {
  addJobOptions(program.command('run'))
    .description('start or re-join a job, work on it, and write its results to a folder')
    .argument('<input>', 'a .jsonl file of requests')
    .requiredOption('--out <dir>', 'folder for results.jsonl, report.json and report.html')
    .option('--no-worker', 'only start and follow the job: workers run elsewhere')
    .option('--json', 'print the report as JSON')
    .action(run);
}

async function run(input: string, flags: RunFlags): Promise<void> {
  const { home, taskQueue, patience } = readEnvironment();
  let view: ProgressView | null = null;
  const say = (text: string): void =>
    view === null ? void process.stderr.write(`${text}\n`) : view.say(text);
  const store = openStore(join(home, 'store'));
  await store.check();
  const prepared = await prepareJob(toJobOptions(input, flags), flags.fresh);
  const { spec: joined, startedFrom } = hasOwnId(flags)
    ? { spec: prepared, startedFrom: null }
    : await withStoreErrors(() => joinSameJob(store, prepared), prepared.jobId);
  let spec = joined;
  await checkOutputFolder(flags.out, spec.jobId);

  // A finished job needs neither key nor API.
  const goesOn = spec.rebuy || flags.retryFailed === true;
  const isFinished = !goesOn && (await store.size(jobFiles.report(spec.jobId))) !== null;
  if (flags.worker && !isFinished) {
    const { checkApi } = await import('../../openai/check-api.ts');
    const { createApi } = await import('../../openai/client.ts');
    const api = createApi();
    await checkApi(api);
    const fingerprint = apiFingerprint(api.baseURL);
    if (await isOtherApi(store, spec.jobId, fingerprint)) {
      throw new BatchError(
        ErrorCode.JobConflict,
        `The batches of job ${spec.jobId} live at another API: set OPENAI_BASE_URL as it was, or start a new job with --fresh, which pays every line again.`,
        { details: { jobId: spec.jobId } },
      );
    }
    spec = { ...spec, api: fingerprint };
  }
  await using _lock = await lockJob(home, spec.jobId);
  // The code of client and worker takes as long to load as the server takes to start: do both at once, the server first.
  const target = await whileLaunching(
    (onLaunch) => resolveTemporalTarget({ home, log: say, onLaunch }),
    () => Promise.all([loadClient(), openView(), ...(flags.worker ? [loadWorker()] : [])]),
  );
  const { BatchClient } = await loadClient();
  await using client = await BatchClient.connect({ home, taskQueue, target });
  await using _server = target.kind === 'embedded' ? keepEmbeddedServer({ home, log: say }) : null;
  const starting = !flags.worker || isFinished ? null : startOwnWorker({ target, home, taskQueue, patience });
  starting?.catch(() => undefined); // awaited below, after the job's own start has had its say
  let worker: JobWorker | null = null;
  let isServerAway = false;
  try {
    const job = await startJob(client, spec, flags, say);
    say(`job        ${job.id}`);
    if (startedFrom !== null) say(sameJobMessage(job.id, startedFrom));
    if (target.uiUrl !== undefined) {
      say(`web ui     ${target.uiUrl}/namespaces/${target.namespace}/workflows/${job.id}`);
    }
    worker = await starting;
    view = await openView();
    const report = await followUntilStopped(job, { out: flags.out, worker, view });
    if (report === 'stopped') {
      process.exitCode = 1;
      return;
    }
    const { describeReport } = await loadReport();
    const shown = await job.named(report);
    process.stdout.write(
      flags.json === true ? `${toJson(shown)}\n` : `${describeReport(shown, flags.out)}\n`,
    );
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
    closing.catch(() => undefined); // how it failed has been said
    // A worker that waits for a server that hangs has nothing to end but its steps.
    if (isServerAway) await Promise.race([closing, delay(STEPS_MS, undefined, { ref: false })]);
    else await closing;
  }
}

/** Shards that the API refused, and what it said: shown here only, since it may quote a prompt. */
async function refusalsOf(job: JobHandle): Promise<string[]> {
  const refusals = await job.refusals().catch(() => []); // the results are there
  return refusals.map(({ shard, reason, text }) => {
    const said = text === null ? '' : `: ${JSON.stringify(text)}`;
    return `refused    shard ${shard}, ${reason}${said}`;
  });
}

const loadClient = () => import('../../client/index.ts');
const loadWorker = () => import('../../worker/index.ts');
/** Loads what it needs at the first call; nothing is shown before the first progress. */
const openView = async () => (await import('../open-progress-view.ts')).openProgressView();
const loadReport = () => import('../render.ts');

/** Does `work` from the moment a server's process has been launched, or once it is known that none needs to be. */
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

/** The job's report, or `stopped` when a signal ended this process's part first. */
async function followUntilStopped(
  job: JobHandle,
  { out, worker, view }: { out: string; worker: JobWorker | null; view: ProgressView },
): Promise<JobReport | 'stopped'> {
  try {
    return await Promise.race([
      follow(job, out, view),
      stopOnSignal(job, view, async () => (worker === null ? undefined : await closeWorker(worker))),
      ...(worker === null ? [] : [failWith(worker.stopped)]),
    ]);
  } finally {
    view.end('stay');
  }
}

/** Shows progress until the job has ended and its results are in the folder. */
async function follow(job: JobHandle, out: string, view: ProgressView): Promise<JobReport> {
  let step: StepBytes | null = null;
  let ended = false;
  const watching = (async () => {
    const { see: onStatus } = new ProblemReporter((text) => view.say(text));
    const options = { intervalMs: WATCH_MS, onStep: (told: StepBytes | null) => (step = told), onStatus };
    for await (const progress of job.watch(options)) {
      if (ended) return;
      view.show(progress, step);
    }
  })();
  watching.catch(() => undefined); // progress is a courtesy; the end of the job is told by `save`
  try {
    const report = await job.save(out);
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
        // A second signal ends the process as it would without us. Not at once: what brings the terminal's cursor back ends
        // the process in the middle of the first one where it finds that nobody else listens.
        setImmediate(() => process.off(signal, stop));
        view.end('stay'); // the bars stay as they are, and nothing is drawn over what follows
        process.stderr.write(
          `\nStopping. Job ${job.id} keeps its place, and batches in flight go on at the API: run the same command to go on, or \`durable-batch cancel ${job.id}\`.\n`,
        );
        void Promise.resolve(close()).finally(() => resolve('stopped'));
      };
      process.on(signal, stop);
    }
  });
}

async function failWith(stopped: Promise<void>): Promise<never> {
  await stopped;
  return await new Promise(() => undefined); // a worker that was closed says nothing about the job
}
