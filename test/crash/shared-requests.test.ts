/** A job of embeddings whose rows share requests, killed and suspended around the building, sending and settling of its shards. */
import { afterAll, describe, expect, test } from 'vitest';
import { Attack, attackWorker, killInTurn, recordWorker, stepsInTurn, type JobKind } from './attacks.ts';
import { startSharedServer } from './job-under-attack.ts';

/** Rows 1 to 3, 4 to 6 and 7 are a request each. The first one fails, the second is refused; then row 1 fails, and row 4 is refused. */
const kind: JobKind = [
  {
    faults: [
      { on: 'line', customId: '1', fault: { kind: 'status', status: 500 } },
      { on: 'line', customId: '4', fault: { kind: 'status', status: 400, code: 'invalid_input' } },
    ],
  },
  'embeddings',
];

const server = await startSharedServer();
const undisturbed = await recordWorker(server, ...kind);
afterAll(() => server[Symbol.asyncDispose]());

/** The steps whose content is that of such a job; the matrix attacks the others. */
const own = undisturbed.workerSteps.filter(({ name }) =>
  /^(?:packed|requests|shard\.json|rows|outcome)|^activity fetchResults/.test(name),
);
const suspended = own.filter((_, i) => i % 8 === 0).map((step) => [step.name, step] as const);

test('the undisturbed run sends shared requests, and those of the rows of two of them', () => {
  const names = own.map(({ name }) => name);
  expect(names.filter((name) => name.startsWith('packed'))).toHaveLength(2);
  expect(undisturbed.end).toMatchObject({
    report: { lines: 7, answered: 5, failed: 2, rounds: 2, errors: { server_error: 4, invalid_input: 4 } },
    ledger: { lines: 9, executed: 9, lines_paid_twice_or_more: 0, batches_unread: 0 },
    broken: [],
  });
});

describe.concurrent('a job of shared requests ends as if nothing had happened', () => {
  test.for(stepsInTurn(own))('%s: worker is killed at each', async ([, steps]) => {
    const { end, notTaken } = await killInTurn(steps, server, ...kind);
    expect(end).toEqual(undisturbed.end);
    for (const step of notTaken)
      expect((await attackWorker(step, Attack.Kill, server, ...kind)).end, step.name).toEqual(
        undisturbed.end,
      );
  });

  test.for(suspended)(`%s: ${Attack.Zombie}`, async ([, step]) => {
    expect((await attackWorker(step, Attack.Zombie, server, ...kind)).end).toEqual(undisturbed.end);
  });
});
