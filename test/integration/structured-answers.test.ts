/** Jobs whose answers have a schema, against a real server, a worker process and the emulator. */
import proto from '@temporalio/proto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { BatchClient } from '../../src/index.ts';
import { prepareJob, requestTemplateOf } from '../../src/client/index.ts';
import type { ResultRow } from '../../src/core/result-row.ts';
import { CliHarness } from '../support/cli-harness.ts';

const lab = new CliHarness();
let client: BatchClient;

beforeAll(async () => {
  await lab.useEmulator({
    faults: [
      // Right after feedback; wrong always; wrong in the first pass only.
      {
        on: 'line',
        customId: '2',
        executions: null,
        fault: { kind: 'wrong_answer', as: 'misfit', unlessFeedback: true },
      },
      { on: 'line', customId: '3', executions: null, fault: { kind: 'wrong_answer', as: 'cut' } },
      { on: 'line', customId: '4', executions: 2, fault: { kind: 'wrong_answer', as: 'refusal' } },
    ],
  });
  client = await BatchClient.connect({ home: lab.home });
  lab.start(['worker']);
});
afterAll(async () => {
  await client.close();
  await lab.close();
});

test('wrong answers are requested again with feedback, paid and kept; another pass begins anew; no schema is in the history', async () => {
  const template = await requestTemplateOf({
    prompt: '{{ text }}',
    model: 'gpt-5-mini',
    answer: z.object({ label: z.enum(['MARKED']) }),
  });
  const input = lab.write([1, 2, 3, 4].map((n) => `${JSON.stringify({ text: `text ${n}` })}\n`).join(''));
  const options = { input, pollSeconds: 0.1, answerAttempts: 2, tellErrors: true };
  const job = await client.startSpec(await prepareJob(options, false, template), template);
  const errors = { answer_invalid: 1, answer_cut: 2, answer_refused: 2 };
  const report = await job.report();
  expect(report).toMatchObject({ answered: 2, failed: 2, rounds: 2, batches: 2, errors });
  expect(report.first_failed).toEqual([
    { line: 3, code: 'answer_cut' },
    { line: 4, code: 'answer_refused' },
  ]);
  const rows = await rowsOf(job);
  expect(rows.map(({ status, attempts }) => [status, attempts])).toEqual([
    ['answered', 1],
    ['answered', 2],
    ['failed', 2],
    ['failed', 2],
  ]);
  expect(JSON.stringify(rows[2])).toContain('"content":"{\\"lab');
  expect(rows[2]).toMatchObject({ response: { choices: [{ finish_reason: 'length' }] } });
  expect(rows[3]).toMatchObject({ response: { choices: [{ message: { content: null } }] } });
  const paid = rows.reduce((sum, { usage }) => sum + usage!.output_tokens, 0);
  expect(report.output_tokens).toBeGreaterThan(paid);
  expect(report.cost_usd).toBeGreaterThan(0);

  expect(await job.retryFailed()).toBe(true);
  expect(await job.report()).toMatchObject({ answered: 3, failed: 1, rounds: 4 });
  expect((await rowsOf(job)).map(({ status, attempts }) => [status, attempts])).toEqual([
    ['answered', 1],
    ['answered', 2],
    ['failed', 4],
    ['answered', 3],
  ]);
  const history = proto.temporal.api.history.v1.History.encode(await client.history(job.id)).finish();
  expect(Buffer.from(history).includes('MARKED')).toBe(false);
});

async function rowsOf(job: { results(): AsyncIterable<ResultRow> }): Promise<ResultRow[]> {
  const rows: ResultRow[] = [];
  for await (const row of job.results()) rows.push(row);
  return rows;
}
