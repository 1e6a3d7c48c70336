import { afterAll, beforeAll, describe, test } from 'vitest';
import { AnswerForm, type FaultRule, type LineFault } from 'openai-batch-emulator';
import { FaultBench, type FaultRow } from './fault-bench.ts';

let bench: FaultBench;
beforeAll(async () => {
  bench = await FaultBench.start();
});
afterAll(async () => {
  await bench.close();
});

/** A fault of lines 2 and 5 in their first execution. */
const onTwo = (fault: LineFault): FaultRule => ({ on: 'line', customId: ['2', '5'], executions: 1, fault });
const onTwoAlways = (fault: LineFault): FaultRule => ({ ...onTwo(fault), executions: null }) as FaultRule;

const sentAgain = (code: string): FaultRow['ends'] => ({
  rounds: 2,
  batches: 2,
  attempts: { 1: 4, 2: 2 },
  errors: { [code]: 2 },
});
const failed = (code: string): FaultRow['ends'] => ({
  failed: { 2: code, 5: code },
  errors: { [code]: 2 },
});

describe.concurrent('rows after which the line is sent again', () => {
  test.each<[string, LineFault, FaultRow['ends']]>([
    ['408', { kind: 'status', status: 408 }, sentAgain('invalid_request_error')],
    ['409', { kind: 'status', status: 409 }, sentAgain('invalid_request_error')],
    ['429', { kind: 'status', status: 429 }, sentAgain('rate_limit_exceeded')],
    ['500', { kind: 'status', status: 500 }, sentAgain('server_error')],
    ['504', { kind: 'status', status: 504 }, sentAgain('server_error')],
    ['status 0 in the output file', { kind: 'status', status: 0 }, sentAgain('http_0')],
    ['request_timeout', { kind: 'request_timeout' }, sentAgain('request_timeout')],
    ['no row at all', { kind: 'lost' }, sentAgain('missing_row')],
    ['no row of a paid answer', { kind: 'lost', paid: true }, { ...sentAgain('missing_row'), paidTwice: 2 }],
    [
      '200 with an error as its body',
      { kind: 'error_body', code: 'server_error', message: 'Try again.' },
      sentAgain('server_error'),
    ],
  ])('%s', async (_what, fault, ends) => {
    await bench.run({ faults: [onTwo(fault)], job: { attempts: 2 }, ends });
  });

  test('and fails with the last error when its attempts are used up', async () => {
    await bench.run({
      faults: [onTwoAlways({ kind: 'status', status: 500, code: 'overloaded' })],
      job: { attempts: 3 },
      ends: {
        failed: { 2: 'overloaded', 5: 'overloaded' },
        rounds: 3,
        batches: 3,
        attempts: { 1: 4, 3: 2 },
        errors: { overloaded: 6 },
      },
    });
  });

  test('and fails when its batch has no rows at all', async () => {
    await bench.run({
      faults: [onTwoAlways({ kind: 'lost' })],
      job: { attempts: 3 },
      ends: {
        failed: { 2: 'answer_unavailable', 5: 'answer_unavailable' },
        rounds: 2,
        batches: 2,
        attempts: { 1: 4, 2: 2 },
        errors: { missing_row: 2, answer_unavailable: 2 },
      },
    });
  });
});

describe.concurrent('rows after which the line has failed', () => {
  test.each<[string, LineFault, string]>([
    ['400', { kind: 'status', status: 400, code: 'context_length_exceeded' }, 'context_length_exceeded'],
    ['403', { kind: 'status', status: 403 }, 'invalid_request_error'],
    ['404', { kind: 'status', status: 404 }, 'model_not_found'],
    ['422', { kind: 'status', status: 422, code: 'unprocessable' }, 'unprocessable'],
    ['200 with a permanent error', { kind: 'error_body', code: 'invalid_prompt' }, 'invalid_prompt'],
  ])('%s', async (_what, fault, code) => {
    await bench.run({ faults: [onTwoAlways(fault)], ends: failed(code) });
  });
});

describe.concurrent('rows that refuse the account pause the job, and the line is sent again without using an attempt', () => {
  test.each<[string, LineFault]>([
    ['insufficient_quota', { kind: 'status', status: 429, code: 'insufficient_quota' }],
    ['billing_hard_limit_reached', { kind: 'status', status: 400, code: 'billing_hard_limit_reached' }],
    ['payment_required', { kind: 'status', status: 402, code: 'payment_required' }],
    ['invalid_api_key', { kind: 'status', status: 401, code: 'invalid_api_key' }],
  ])('%s', async (code, fault) => {
    await bench.run({ faults: [onTwo(fault)], job: { attempts: 1 }, ends: sentAgain(code) });
  });
});

describe.concurrent('answers in unusual forms are answers', () => {
  const forms = Object.values(AnswerForm).filter((form) => !form.endsWith('_response'));
  test.each(forms)('%s', async (form) => {
    await bench.run({ faults: [onTwo({ kind: 'answer_form', form })], ends: {} });
  });

  test('an incomplete response object', async () => {
    const fault = { kind: 'answer_form', form: 'incomplete_response' } as const;
    await bench.run({ endpoint: '/v1/responses', faults: [onTwo(fault)], ends: {} });
  });

  test('but not a failed response object, whose line is sent again', async () => {
    const fault = { kind: 'answer_form', form: 'failed_response' } as const;
    await bench.run({ endpoint: '/v1/responses', faults: [onTwo(fault)], ends: sentAgain('server_error') });
  });

  test('line separators and other non-ASCII text', async () => {
    const odd = 'a\u2028b\u2029c \u0085 "quoted" \\ ünïcode 漢字 🙂 \u0001\t';
    await bench.run({ text: (line) => `${odd}${line}`, ends: {} });
  });

  test('a row of several MB', async () => {
    const long = 'long '.repeat(1_000_000);
    await bench.run({
      lines: 2,
      text: (line) => (line === 1 ? long : 'short'),
      // Longer than any model's context.
      emulator: { contextTokens: { '*': 1_000_000_000 } },
      ends: {},
    });
  });
});
