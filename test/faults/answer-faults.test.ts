/** Jobs whose answers have a schema, and answers that do not fit it. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { FaultRule, LineFault } from 'openai-batch-emulator';
import { FaultBench, type FaultRow } from './fault-bench.ts';

let bench: FaultBench;
beforeAll(async () => {
  bench = await FaultBench.start();
});
afterAll(async () => {
  await bench.close();
});

type Wrong = Extract<LineFault, { kind: 'wrong_answer' }>;

/** Strikes lines 2 and 5: their first so many executions, or all. */
const onTwo = (as: Wrong['as'], executions: number | null, more: Partial<Wrong> = {}): FaultRule => ({
  on: 'line',
  customId: ['2', '5'],
  executions,
  fault: { kind: 'wrong_answer', as, ...more },
});

const codes = [
  ['misfit', 'answer_invalid'],
  ['prose', 'answer_invalid'],
  ['refusal', 'answer_refused'],
  ['filtered', 'answer_refused'],
  ['cut', 'answer_cut'],
] as const;

const again = (code: string): FaultRow['ends'] => ({
  rounds: 2,
  batches: 2,
  attempts: { 1: 4, 2: 2 },
  errors: { [code]: 2 },
  paidTwice: 2,
});

describe.concurrent('a wrong answer is requested again', () => {
  test.each(codes)('%s: %s', async (as, code) => {
    await bench.run({ hasSchema: true, faults: [onTwo(as, 1)], job: { attempts: 1 }, ends: again(code) });
  });

  test.each(codes)('%s: %s, of responses', async (as, code) => {
    const faults = [onTwo(as, 1)];
    await bench.run({ hasSchema: true, endpoint: '/v1/responses', faults, ends: again(code) });
  });

  test('until the line has had as many as it may', async () => {
    await bench.run({
      hasSchema: true,
      faults: [onTwo('misfit', null)],
      job: { attempts: 1, answerAttempts: 3 },
      ends: {
        failed: { 2: 'answer_invalid', 5: 'answer_invalid' },
        rounds: 3,
        batches: 3,
        attempts: { 1: 4, 3: 2 },
        errors: { answer_invalid: 6 },
        paidTwice: 2,
      },
    });
  });

  test('also between failures, which use attempts', async () => {
    await bench.run({
      hasSchema: true,
      faults: [
        { on: 'line', customId: '2', executions: 1, fault: { kind: 'status', status: 500 } },
        { on: 'line', customId: '2', executions: 2, fault: { kind: 'wrong_answer', as: 'cut' } },
        { on: 'line', customId: '2', executions: 3, fault: { kind: 'status', status: 503 } },
      ],
      job: { attempts: 3 },
      ends: {
        rounds: 4,
        batches: 4,
        attempts: { 1: 5, 4: 1 },
        errors: { server_error: 2, answer_cut: 1 },
        paidTwice: 1,
      },
    });
  });

  test('also of a batch that expires half done', async () => {
    await bench.run({
      hasSchema: true,
      faults: [
        { on: 'batch', nth: 1, fault: { kind: 'expire', afterFraction: 0.5 } },
        { on: 'line', fraction: 1, executions: 1, fault: { kind: 'wrong_answer', as: 'prose' } },
      ],
      ends: {
        rounds: 3,
        batches: 3,
        attempts: { 2: 3, 3: 3 },
        errors: { answer_invalid: 6, batch_expired: 3 },
        paidTwice: 6,
      },
    });
  });
});

describe.concurrent('the model is told what was wrong', () => {
  test.each(['/v1/chat/completions', '/v1/responses'] as const)('%s', async (endpoint) => {
    await bench.run({
      hasSchema: true,
      ...(endpoint === '/v1/responses' ? { endpoint } : {}),
      faults: [onTwo('misfit', null, { unlessFeedback: true })],
      job: { tellErrors: true },
      // The request with feedback is another line of the ledger.
      ends: { ...again('answer_invalid'), paidTwice: 0 },
    });
  });

  test('of a refusal nothing', async () => {
    await bench.run({
      hasSchema: true,
      faults: [onTwo('refusal', null, { unlessFeedback: true })],
      job: { tellErrors: true },
      ends: {
        failed: { 2: 'answer_refused', 5: 'answer_refused' },
        rounds: 2,
        batches: 2,
        attempts: { 1: 4, 2: 2 },
        errors: { answer_refused: 4 },
        paidTwice: 2,
      },
    });
  });
});
