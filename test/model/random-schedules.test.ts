import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FileWork } from '../../src/file-work/file-work.ts';
import { FolderStore } from '../../src/store/folder-store.ts';
import { stepWorkers } from '../../src/worker/create-worker.ts';
import { bundle, startServer } from '../workflow/simple-worker.ts';
import { coverageTable, missingFrom } from './coverage.ts';
import { runSchedule, type Stage } from './run-schedule.ts';
import { schedules } from './schedule.ts';
import { activitiesOf, type World } from './world.ts';

/**
 * Random schedules of faults against the real workflow, activities, store and file work, on a real Temporal server; only
 * the API is simulated, in memory, and it keeps the ledger. `FC_SEED` repeats a run, `FC_SEED` and `FC_PATH` one schedule
 * of it, `FC_RUNS` changes their number, `FC_SHRINK_MS=0` does not shrink failing ones; `RELIABILITY_OUT` names a file for the figures.
 */
const SCHEDULES = Number(process.env['FC_RUNS'] ?? 100);
const AT_A_TIME = 40;
const TASK_QUEUE = 'model';
const SHRINK_MS = Number(process.env['FC_SHRINK_MS'] ?? 180_000);
/** Enough to show whether there is one bug or several. */
const MOST_FAILURES = 12;

const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
const folder = mkdtempSync(join(tmpdir(), 'durable-batch-model-'));
const worlds = new Map<string, World>();
let server: Awaited<ReturnType<typeof startServer>> | undefined;
let files: FileWork | undefined;
const workers: Worker[] = [];
let running: Promise<unknown>;
let stage: Stage;

beforeAll(async () => {
  // Thousands of activities fail here deliberately.
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  server = await startServer();
  const store = new FolderStore(join(folder, 'store'));
  files = new FileWork({ store, threads: 2 });
  const activities = { ...activitiesOf(worlds, store, files) };
  for (const steps of stepWorkers(TASK_QUEUE))
    workers.push(await Worker.create({ connection: server.native, activities, ...steps }));
  workers.push(
    await Worker.create({
      connection: server.native,
      taskQueue: TASK_QUEUE,
      workflowBundle: bundle,
      activities,
      maxConcurrentActivityTaskExecutions: 100,
      maxConcurrentWorkflowTaskExecutions: 100,
      maxCachedWorkflows: 200,
    }),
  );
  running = Promise.all(workers.map((worker) => worker.run()));
  stage = { client: server.client, folder, taskQueue: TASK_QUEUE, worlds };
});

afterAll(async () => {
  for (const worker of workers) worker.shutdown();
  await running;
  await files?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs one schedule of the seed; if it fails, shrinks it to the smallest that fails. */
async function checkAlone(path: string): Promise<void> {
  const property = fc.asyncProperty(schedules, async (schedule) => void (await runSchedule(stage, schedule)));
  await fc.assert(property, {
    seed,
    path,
    numRuns: 1,
    interruptAfterTimeLimit: SHRINK_MS,
  });
}

test('every line ends once, nothing is bought twice and every answer is kept, whatever fails', async () => {
  const { FC_PATH: only, RELIABILITY_OUT: figures } = process.env;
  if (only !== undefined) {
    await checkAlone(only);
    return;
  }
  console.log(`${SCHEDULES} random schedules, FC_SEED=${seed}`);
  const all = fc.sample(schedules, { seed, numRuns: SCHEDULES });
  const struck = new Map<string, number>();
  const failed: { path: number; error: Error }[] = [];
  let next = 0;
  let passed = 0;
  const runInTurn = async (): Promise<void> => {
    while (next < all.length && failed.length < MOST_FAILURES) {
      const path = next;
      next += 1;
      try {
        for (const what of await runSchedule(stage, all[path]!))
          struck.set(what, (struck.get(what) ?? 0) + 1);
        passed += 1;
      } catch (error) {
        failed.push({ path, error: error as Error });
        console.log(`schedule ${path} failed: FC_SEED=${seed} FC_PATH=${path}\n${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, runInTurn));
  console.log(coverageTable(struck, passed));
  if (figures !== undefined) writeFileSync(figures, `${JSON.stringify({ schedules: next, passed, seed })}\n`);
  const [first] = failed;
  if (first !== undefined) {
    const { path, error } = first;
    if (SHRINK_MS > 0) await checkAlone(String(path));
    throw new Error(`It passed when it ran alone: FC_SEED=${seed} FC_PATH=${path}`, { cause: error });
  }
  const missing = missingFrom(struck);
  if (missing.names.length > 0) console.log(`no schedule had: ${missing.names.join(', ')}`);
  if (SCHEDULES >= 500) expect(missing.areMany, 'too many kinds of fault that no schedule had').toBe(false);
});
