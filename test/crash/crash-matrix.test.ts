import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { shardId } from '../../src/core/shard-plan.ts';
import { jobFiles, shardFiles } from '../../src/store/job-files.ts';
import { Attack, attackClient, attackWorker, recordUndisturbed } from './attacks.ts';
import {
  JOB_OPTIONS,
  JobUnderAttack,
  startSharedServer,
  StepNotTaken,
  type JobEnd,
} from './job-under-attack.ts';

/**
 * `CRASH_MATRIX=full` attacks every step in every way; the rule is every step killed, and every call of the API and some
 * of the others attacked in one other way, in turn: all tests together are to stay at a quarter of an hour.
 */
const isFull = process.env['CRASH_MATRIX'] === 'full';

const server = await startSharedServer();
const undisturbed = await recordUndisturbed(server);
const { workerSteps, clientSteps } = undisturbed;
afterAll(() => server[Symbol.asyncDispose]());

/** A reset of a call that is committed and not replied to is the reset of its reply. */
const isApiCall = (name: string): boolean => /^(?:GET|POST) /.test(name) && !name.endsWith('committed');

/** A timer is started if a batch is created while a poll runs: a job may take no such step. */
const isByChance = (name: string): boolean => name === 'workflow task that starts a timer, not reported';
const JOBS_BY_CHANCE = 5;

/** The only cell whose outcome differs, see below. */
const isOpenWindow = (name: string, attack: Attack): boolean =>
  attack === Attack.Zombie && name === 'POST /batches before';

const inTurn = [Attack.Zombie, Attack.Both, Attack.Zombie, Attack.Server, Attack.Client] as const;

const cells = workerSteps.flatMap((step, i) => {
  const isCall = isApiCall(step.name);
  const turn = inTurn[Math.floor(i / 2) % inTurn.length]!;
  const other = isCall && (i % 2 === 0 || isOpenWindow(step.name, turn)) ? Attack.Reset : turn;
  const some = isCall || i % 10 === 0 ? [Attack.Kill, other] : [Attack.Kill];
  const attacks: Attack[] = isFull ? Object.values(Attack) : some;
  return attacks
    .filter((attack) => attack !== Attack.Reset || isCall)
    .filter((attack) => !isOpenWindow(step.name, attack))
    .map((attack) => [step.name, attack, step] as const);
});

const clientCells = clientSteps.flatMap((step) =>
  (isFull ? (['kill', 'server'] as const) : (['kill'] as const)).map(
    (kind) => [step.name, kind, step] as const,
  ),
);

/** Attacks the first of several jobs that takes the step; null if none does, which is an error for a single job. */
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
  const seen = workerSteps.map(({ name }) => name);

  /**
   * Jobs that are cancelled, are refused their account or a shard, have a batch twice or in doubt, or lose an answer:
   * `test/model` kills processes in those. Runs of schedules: `test/integration/schedules.test.ts` does.
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
      'told', // see answers.test.ts
      // Folders.
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
    ],
  };

  test('every file of the store has steps', () => {
    for (const [which, key] of Object.entries({ ...jobFiles, ...shardFiles })) {
      if (ofOtherJobs.files.includes(which)) continue;
      const path = (key as (...parts: unknown[]) => string)('JOB', '1', '1', '1');
      const name = path.replace(/^jobs\/JOB\/(?:shards\/1\/)?/, '').replaceAll('1', 'N');
      expect(seen, which).toContain(`${name} half written`);
      expect(seen, which).toContain(`${name} in place`);
    }
  });

  test('every call of the API that activities make has steps, but those of other kinds of job', () => {
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
    for (const call of Object.values(route)) if (call !== null) expect(seen).toContain(`${call} replied`);
  });

  test('every activity of such a job has steps, and so has every command of its workflow', () => {
    const types = readFileSync(join(import.meta.dirname, '../../src/workflows/activity-proxies.ts'), 'utf8');
    const activities = [...types.matchAll(/^export const (\w+): Call</gm)].map(([, name]) => name!);
    expect(activities).toContain('createBatch');
    for (const activity of activities.filter((name) => !ofOtherJobs.activities.includes(name))) {
      expect(seen).toContain(`activity ${activity} done, reported`);
      expect(seen).toContain(`workflow task that schedules ${activity}, not reported`);
    }
    expect(seen).toContain('workflow task that continues as new, not reported');
    expect(seen).toContain('workflow task that ends the job, not reported');
  });

  test('every step has cells', () => {
    for (const { name } of workerSteps) {
      const attacks = cells.filter(([step]) => step === name).map(([, attack]) => attack);
      expect(attacks, name).toContain(Attack.Kill);
      if (isFull || isApiCall(name)) expect(attacks.length, name).toBeGreaterThan(1);
    }
    for (const { name } of clientSteps) expect(clientCells.map(([step]) => step)).toContain(name);
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
  test.for(cells)('%s: %s', async ([name, attack, step], { skip }) => {
    const jobs = isByChance(name) ? JOBS_BY_CHANCE : 1;
    const attacked = await attackOneOf(jobs, () => attackWorker(step, attack, server));
    skip(attacked === null, `none of ${jobs} jobs took this step`);
    const { end, late } = attacked!;
    expect(hasPosted(step.name) ? withoutLate(end, late) : end).toEqual(undisturbed.end);
  });

  test.each(clientCells)('run, %s: %s', async (_, kind, step) => {
    const { end } = await attackClient(step, kind, server);
    expect(end).toEqual(undisturbed.end);
  });

  /**
   * The window that the API leaves open, as it knows no idempotency key: a worker stopped after its last check and
   * before its POST, which wakes up when another one has searched in vain and created the batch. Its batch is found at
   * the next poll and cancelled: what it has answered until then is paid twice, and told.
   */
  test('POST /batches before: a worker that is stopped there and wakes up late creates one batch more', async () => {
    await using job = await JobUnderAttack.prepare(server, slowBatches);
    await job.start();
    const zombie = job.worker({ step: 'POST /batches before', occurrence: 1, kind: 'stop' });
    await job.untilStruck();
    job.worker();
    // Also that of the shard whose POST has not left: the other worker has created it, after a search in vain.
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

  /** Nobody polls any more: whoever has created the batch must see that it is one too many. */
  test('POST /batches before: a worker that is stopped there and wakes up after the end takes its batch back', async () => {
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

/** The shards of all batches, one for each. */
async function shardsOf(job: JobUnderAttack): Promise<string[]> {
  return (await job.batches()).map(({ shard }) => shard);
}

/** The shard that was struck has its batch already: another one is a neighbour's, stopped in its own window. */
const hasPosted = (name: string): boolean => /^POST \/batches (?:committed|replied)$/.test(name);

/** The end without what late batches cost, which is at most all their lines; nothing else of the end may differ. */
function withoutLate(end: JobEnd, late: number): JobEnd {
  if (late === 0) return end;
  const { ledger } = undisturbed.end;
  expect(late).toBeLessThan(JOB_OPTIONS.inFlight);
  expect(end.ledger.batches).toBe(ledger.batches + late);
  expect(end.ledger.lines_paid_twice_or_more).toBeLessThanOrEqual(late * JOB_OPTIONS.shardLines);
  return { ...end, ledger };
}

/** Long enough in flight that the late POST comes while its twin runs. */
const slowBatches = {
  lifecycle: { mode: 'timed', validatingMs: 50, inProgressMs: 8_000, perLineMs: 0, finalizingMs: 50 },
} as const;
