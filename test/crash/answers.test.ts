/** A job whose answers have a schema, killed and suspended around the settling of its shards. */
import { afterAll, describe, expect, test } from 'vitest';
import { Attack, attackWorker, killInTurn, recordWorker, stepsInTurn, type JobKind } from './attacks.ts';
import { startSharedServer } from './job-under-attack.ts';

/** Answers that are right after feedback, refused at first, cut always, and a failure between two of them. */
const kind: JobKind = [
  {
    faults: [
      {
        on: 'line',
        customId: ['1', '4'],
        executions: null,
        fault: { kind: 'wrong_answer', as: 'misfit', unlessFeedback: true },
      },
      { on: 'line', customId: '2', executions: 1, fault: { kind: 'wrong_answer', as: 'refusal' } },
      { on: 'line', customId: '5', executions: null, fault: { kind: 'wrong_answer', as: 'cut' } },
      { on: 'line', customId: '6', executions: 1, fault: { kind: 'status', status: 500 } },
    ],
  },
  'answers',
];

const server = await startSharedServer();
const undisturbed = await recordWorker(server, ...kind);
afterAll(() => server[Symbol.asyncDispose]());

/** The steps whose content is that of such a job; the matrix attacks the others. */
const settling = undisturbed.workerSteps.filter(({ name }) =>
  /^(?:feedback|rows|outcome|requests)|^activity fetchResults/.test(name),
);
const suspended = settling.filter((_, i) => i % 4 === 0).map((step) => [step.name, step] as const);

test('the undisturbed run has wrong answers of each kind, and gives feedback', () => {
  const names = settling.map(({ name }) => name);
  expect(names.filter((name) => name.startsWith('feedback'))).toHaveLength(2);
  expect(undisturbed.end).toMatchObject({
    report: {
      lines: 7,
      answered: 6,
      failed: 1,
      rounds: 2,
      errors: { answer_invalid: 2, answer_refused: 1, answer_cut: 2, server_error: 1 },
    },
    // The refused line is bought again as it was; a request with feedback is another line of the ledger.
    ledger: { lines_paid_twice_or_more: 1, batches_unread: 0 },
    broken: [],
  });
});

describe.concurrent('a job with wrong answers ends as if nothing had happened', () => {
  test.for(stepsInTurn(settling))('%s: worker is killed at each', async ([, steps]) => {
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
