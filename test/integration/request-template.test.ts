/** Jobs over rows with a request template, against a real server, a worker process and the emulator. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import proto from '@temporalio/proto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { BatchClient, type JobHandle, type JobOptions } from '../../src/index.ts';
import { prepareJob, requestTemplateOf, type TemplateOptions } from '../../src/client/index.ts';
import { CliHarness } from '../support/cli-harness.ts';

const lab = new CliHarness();
let client: BatchClient;

beforeAll(async () => {
  await lab.useEmulator({});
  client = await BatchClient.connect({ home: lab.home });
  lab.start(['worker']);
});
afterAll(async () => {
  await client.close();
  await lab.close();
});

async function startRows(
  rows: readonly unknown[],
  template: TemplateOptions,
  options: Partial<JobOptions> = {},
): Promise<JobHandle> {
  const made = await requestTemplateOf(template);
  const input = lab.write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const spec = await prepareJob({ input, pollSeconds: 0.1, ...options }, false, made);
  return await client.startSpec(spec, made);
}

test('rows become answers with their ids; a bad row is a failed one; no text of the template is in the history', async () => {
  const job = await startRows(
    [
      { id: 'a', review: '{"label":"good"}' },
      { id: 'b', review: '' },
      { id: 9_007_199_254_740_991, review: '{"label":"bad"}' },
    ],
    {
      prompt: '{{ review | strip }}',
      system: 'MARKED {{ id }}',
      model: 'gpt-5-mini',
      id: { column: 'id' },
      answer: z.object({ label: z.enum(['good', 'bad']) }),
    },
    { skipBadLines: true },
  );
  expect(await job.report()).toMatchObject({ lines: 3, answered: 2, failed: 1 });
  const rows = [];
  for await (const { id, status, error } of job.results()) rows.push([id, status, error?.message ?? null]);
  expect(rows).toEqual([
    ['a', 'answered', null],
    ['b', 'failed', 'The row has an empty prompt: fill in the columns of the prompt, or leave the row out.'],
    ['9007199254740991', 'answered', null],
  ]);
  const history = proto.temporal.api.history.v1.History.encode(await client.history(job.id)).finish();
  expect(Buffer.from(history).includes('gpt-5-mini')).toBe(true); // as one of the models of the job
  expect(Buffer.from(history).includes('MARKED')).toBe(false);
});

test('a bad row ends its job; a finished job does not need its template', async () => {
  const bad = await startRows([{ review: 'x' }, {}], { prompt: 'MARKED {{ review }}', model: 'gpt-5-mini' });
  await expect(bad.report()).rejects.toMatchObject({
    code: 'bad_input',
    message: expect.stringMatching(/:2: the row has no column "review": add it/) as string,
    details: { line: 2 },
  });
  const start = async (): Promise<JobHandle> =>
    await startRows([{ review: 'y' }], { prompt: '{{ review }}', model: 'gpt-5-mini' }, { jobId: 'again' });
  const job = await start();
  expect(await job.report()).toMatchObject({ answered: 1 });
  rmSync(join(lab.home, 'store/inputs'), { recursive: true });
  expect(await job.report()).toMatchObject({ answered: 1 });
  expect(await (await start()).report()).toMatchObject({ answered: 1 });
});
