import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { shardId } from '../../src/core/shard-plan.ts';
import { jobFiles, shardFiles } from '../../src/store/job-files.ts';
import {
  Attack,
  attackClient,
  attackWorker,
  killClientInTurn,
  killInTurn,
  recordUndisturbed,
  stepsInTurn,
} from './attacks.ts';
import {
  JOB_OPTIONS,
  JobUnderAttack,
  startSharedServer,
  StepNotTaken,
  type JobEnd,
} from './job-under-attack.ts';

/**
 * `CRASH_MATRIX=full` attacks every step in every way, each in a job of its own. By default the worker is killed at every step
 * that changes something durable, at several steps of one job, and every call of the API and some other steps are attacked in one more way, in turn.
 */
const isFull = process.env['CRASH_MATRIX'] === 'full';

const server = await startSharedServer();
const undisturbed = await recordUndisturbed(server);
const { clientSteps } = undisturbed;
/** The sweep of the job's token queue is a step of another workflow, comes by the clock, and only reads. */
const workerSteps = undisturbed.workerSteps.filter(({ name }) => !name.includes('sweepTokenQueue'));
afterAll(() => server[Symbol.asyncDispose]());

/** Calls of the API that can be reset; a reset of a committed call is the same as a reset of its reply. */
const isApiCall = (name: string): boolean => /^(?:GET|POST) /.test(name) && !name.endsWith('committed');

/** A timer starts only if a batch is created during a poll: some jobs do not take this step. */
const isByChance = (name: string): boolean => name === 'workflow task that starts a timer, not reported';
const JOBS_BY_CHANCE = 5;

/** The only cell with another outcome, see below. */
const isOpenWindow = (name: string, attack: Attack): boolean =>
  attack === Attack.Zombie && name === 'POST /batches before';

const inTurn = [Attack.Zombie, Attack.Both, Attack.Zombie, Attack.Server, Attack.Client] as const;

const cells = workerSteps.flatMap((step, i) => {
  const isCall = isApiCall(step.name);
  const turn = inTurn[Math.floor(i / 2) % inTurn.length]!;
  const other = isCall && (i % 2 === 0 || isOpenWindow(step.name, turn)) ? Attack.Reset : turn;
  const killAlone = isByChance(step.name) ? [Attack.Kill] : [];
  const some = isCall || i % 10 === 0 ? [...killAlone, other] : killAlone;
  const attacks: Attack[] = isFull ? Object.values(Attack) : some;
  return attacks
    .filter((attack) => attack !== Attack.Reset || isCall)
    .filter((attack) => !isOpenWindow(step.name, attack))
    .map((attack) => [step.name, attack, step] as const);
});

/**
 * Nothing durable has changed since the step before: the half of a file without a name became a whole one, or a call or a report is
 * about to be sent, after the record before it. A kill here finds what a kill there finds.
 */
const isLikeTheStepBefore = (name: string): boolean =>
  name.endsWith(' before its link') ||
  /^POST .* before$/.test(name) ||
  /^activity (?!watchBatches |reportTokens ).* done, not reported$/.test(name);

/** The kills that are no cells: several of one job, which are far from each other, in the order of the steps. */
const kills = isFull ? [] : workerSteps.filter(({ name }) => !isByChance(name) && !isLikeTheStepBefore(name));
const killsInTurn = stepsInTurn(kills);

/** By default `run` is killed at each of its steps in one job, see below. */
const clientCells = isFull
  ? clientSteps.flatMap((step) =>
      (['kill', 'server'] as const).map((kind) => [step.name, kind, step] as const),
    )
  : [];

/** Attacks the first of several jobs that takes the step; returns null if none does, and throws if a single job does not. */
async function attackOneOf<T>(jobs: number, attackJob: () => Promise<T>): Promise<T | null> {
  for (let left = jobs; left > 0; left -= 1) {
    try {
      return await attackJob();
    } catch (error) {
      if (jobs === 1 || !(error instanceof StepNotTaken)) throw error;
    }
  }
  return null;
}

describe('the steps come from the running code', () => {
  const stepNames = workerSteps.map(({ name }) => name);

  /**
   * Files and activities of jobs that are cancelled, are refused their account or a shard, have a batch twice or in
   * doubt, or lose an answer: `test/model` kills processes there, and `test/integration/schedules.test.ts` in schedules.
   */
  const ofOtherJobs = {
    files: [
      'cancelled',
      'duplicates',
      'duplicateOutput',
      'kept',
      'answers',
      'earlier',
      'earlierIndex',
      'refused',
      'rebuy',
      'missed',
      'searched',
      'unknown',
      'input',
      'pass',
      'feedback', // see answers.test.ts
      'packed', // see shared-requests.test.ts
      // Folders.
      'all',
      'building',
      'buildings',
    ],
    activities: [
      'cancelBatch',
      'findBought',
      'checkAccount',
      'settleRefusedShard',
      'buildRebuyShards',
      'buildPass',
      'pollBatches',
      'sweepTokenQueue', // of the queue's own workflow; it only reads
    ],
  };

  test('every file of the store has steps', () => {
    for (const [which, key] of Object.entries({ ...jobFiles, ...shardFiles })) {
      if (ofOtherJobs.files.includes(which)) continue;
      const path = (key as (...parts: unknown[]) => string)('JOB', '1', '1', '1');
      const name = path.replace(/^jobs\/JOB\/(?:shards\/1\/)?/, '').replaceAll('1', 'N');
      expect(stepNames, which).toContain(`${name} half written`);
      expect(stepNames, which).toContain(`${name} in place`);
    }
  });

  test('every call of the API has steps, except the calls of other kinds of job', () => {
    const route: Record<string, string | null> = {
      'files.create': 'POST /files',
      'files.retrieve': 'GET /files/N',
      'files.content': 'GET /files/N/content',
      'batches.create': 'POST /batches',
      'batches.list': 'GET /batches',
      // Batches that the list does not show, servers without a list, large input files, and cancelled jobs; none of them
      // can create a batch.
      'batches.retrieve': null,
      'files.list': null,
      'uploads.create': null,
      'uploads.parts.create': null,
      'uploads.complete': null,
      'batches.cancel': null,
    };
    const folder = join(import.meta.dirname, '../../src/openai');
    const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
    const calls = files.flatMap((file) =>
      [
        ...readFileSync(join(folder, file), 'utf8').matchAll(
          /\bclient\s*\.((?:files|batches|uploads)\.[a-z.]+)\(/gi,
        ),
      ].map(([, call]) => call!),
    );
    expect(new Set(calls)).toEqual(new Set(Object.keys(route)));
    for (const call of Object.values(route))
      if (call !== null) expect(stepNames).toContain(`${call} replied`);
  });

  test('every activity of the job and every command of its workflow has steps', () => {
    const types = readFileSync(join(import.meta.dirname, '../../src/workflows/activity-proxies.ts'), 'utf8');
    const activities = [...types.matchAll(/^export const (\w+): Call</gm)].map(([, name]) => name!);
    expect(activities).toContain('createBatch');
    for (const activity of activities.filter((name) => !ofOtherJobs.activities.includes(name))) {
      expect(stepNames).toContain(`activity ${activity} done, reported`);
      expect(stepNames).toContain(`workflow task that schedules ${activity}, not reported`);
    }
    expect(stepNames).toContain('workflow task that continues as new, not reported');
    expect(stepNames).toContain('workflow task that ends the job, not reported');
  });

  test('every step has cells', () => {
    for (const { name } of workerSteps) {
      const attacks = cells.filter(([step]) => step === name).map(([, attack]) => attack);
      const isKilledInTurn = killsInTurn.some(([, steps]) => steps.some((step) => step.name === name));
      expect(isKilledInTurn || attacks.includes(Attack.Kill), name).toBe(
        isFull || !isLikeTheStepBefore(name),
      );
      if (isFull || isApiCall(name))
        expect(
          attacks.filter((attack) => attack !== Attack.Kill),
          name,
        ).not.toEqual([]);
    }
    if (isFull) for (const { name } of clientSteps) expect(clientCells.map(([step]) => step)).toContain(name);
  });

  test('the undisturbed run has two rounds, failed lines, and continues as new', () => {
    expect(undisturbed.end).toMatchObject({
      report: { lines: 13, answered: 10, failed: 3, cancelled: 0, rounds: 2 },
      ledger: { lines_paid_twice_or_more: 0, batches_unread: 0 },
      broken: [],
    });
    expect(undisturbed.end.rows.map(({ line }) => line)).toEqual(Array.from({ length: 13 }, (_, i) => i + 1));
  });
});

describe.concurrent('a job ends as if nothing had happened', () => {
  test.for(killsInTurn)('%s: worker is killed at each', async ([, steps]) => {
    const { end, notTaken } = await killInTurn(steps, server);
    expect(end).toEqual(undisturbed.end);
    for (const step of notTaken)
      expect((await attackWorker(step, Attack.Kill, server)).end, step.name).toEqual(undisturbed.end);
  });

  test.for(cells)('%s: %s', async ([name, attack, step], { skip }) => {
    const jobs = isByChance(name) ? JOBS_BY_CHANCE : 1;
    const attacked = await attackOneOf(jobs, () => attackWorker(step, attack, server));
    skip(attacked === null, `none of ${jobs} jobs took this step`);
    const { end, late } = attacked!;
    expect(hasPosted(step.name) ? withoutLate(end, late) : end).toEqual(undisturbed.end);
  });

  test.skipIf(isFull)('run is killed at each of its steps', async () => {
    expect(clientSteps.length).toBeGreaterThan(0);
    const { end, notTaken } = await killClientInTurn(clientSteps, server);
    expect(end).toEqual(undisturbed.end);
    for (const step of notTaken)
      expect((await attackClient(step, 'kill', server)).end, step.name).toEqual(undisturbed.end);
  });

  test.for(clientCells)('run, %s: %s', async ([, kind, step]) => {
    const { end } = await attackClient(step, kind, server);
    expect(end).toEqual(undisturbed.end);
  });

  /**
   * The window that the API leaves open, as it has no idempotency key: a worker is stopped after its last check and
   * before its POST, and wakes up after another one has found no batch and created one. The late batch is found at
   * the next poll and cancelled: what it has answered until then is paid twice, and reported.
   */
  test('POST /batches before: a worker that is stopped there and wakes up late creates one batch more', async () => {
    await using job = await JobUnderAttack.prepare(server, slowBatches);
    await job.start();
    const zombie = job.worker({ step: 'POST /batches before', occurrence: 1, kind: 'stop' });
    await job.untilStruck();
    job.worker();
    // Including that of the stopped POST: the other worker has created it after it found none.
    const firstWindow = Array.from({ length: JOB_OPTIONS.inFlight }, (_, i) => shardId(1, i));
    await job.until('the batches of the first window', async () => {
      const shards = await shardsOf(job);
      return firstWindow.every((shard) => shards.includes(shard));
    });
    zombie.child.kill('SIGCONT');
    await job.until('the batch of the late POST', async () => {
      const shards = await shardsOf(job);
      return new Set(shards).size < shards.length;
    });
    await job.untilEnded();
    const { ledger, ...end } = await job.end();
    expect(end.rows).toEqual(undisturbed.end.rows);
    expect(end.report['duplicates']).toMatchObject({ batches: 1, answers: ledger.lines_paid_twice_or_more });
    expect(ledger).toMatchObject({ batches: undisturbed.end.ledger.batches + 1, batches_unread: 0 });
    const created = (await job.batches()).toReversed();
    const cancelled = created.filter(({ status }) => status === 'cancelled');
    expect(cancelled).toHaveLength(1);
    expect(created.findLast(({ shard }) => shard === cancelled[0]!.shard)).toBe(cancelled[0]);
  });

  /** No poll follows: the worker that creates the batch must notice itself that it is one too many. */
  test('POST /batches before: a worker that is stopped there and wakes up after the end cancels its batch', async () => {
    await using job = await JobUnderAttack.prepare(server, slowBatches);
    await job.start();
    const zombie = job.worker({ step: 'POST /batches before', occurrence: 1, kind: 'stop' });
    await job.untilStruck();
    job.worker();
    await job.untilEnded();
    const before = await job.ledger();
    zombie.child.kill('SIGCONT');
    await job.until('the batch of the late POST', async () => (await job.ledger()).batches > before.batches);
    await job.until('its cancel', async () => (await job.batches())[0]!.status === 'cancelled');
    expect((await job.end()).rows).toEqual(undisturbed.end.rows);
  });
});

/** The shard of each batch. */
async function shardsOf(job: JobUnderAttack): Promise<string[]> {
  return (await job.batches()).map(({ shard }) => shard);
}

/** True if the attacked shard already has its batch: a late batch then belongs to another shard, stopped in its own window. */
const hasPosted = (name: string): boolean => /^POST \/batches (?:committed|replied)$/.test(name);

/** The end without the cost of late batches, which is at most all their lines; nothing else may differ. */
function withoutLate(end: JobEnd, late: number): JobEnd {
  if (late === 0) return end;
  const { ledger } = undisturbed.end;
  expect(late).toBeLessThan(JOB_OPTIONS.inFlight);
  expect(end.ledger.batches).toBe(ledger.batches + late);
  expect(end.ledger.lines_paid_twice_or_more).toBeLessThanOrEqual(late * JOB_OPTIONS.shardLines);
  return { ...end, ledger };
}

/** Batches that run long enough for the late POST to arrive while the other batch of its shard runs. */
const slowBatches = {
  lifecycle: { mode: 'timed', validatingMs: 50, inProgressMs: 8_000, perLineMs: 0, finalizingMs: 50 },
} as const;
