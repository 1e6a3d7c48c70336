/** Bad input of `run`; a worker beside it does the work. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallReport } from 'openai-batch-emulator';
import { CliHarness, type Ended } from '../support/cli-harness.ts';

const lab = new CliHarness();
const out = join(lab.folder, 'refused');

beforeAll(async () => {
  await lab.useEmulator();
  lab.start(['worker']);
});
afterAll(async () => {
  await lab.close();
});

/** Runs a job of these bytes. */
async function run(content: string | Buffer, ...options: string[]): Promise<Ended> {
  return await lab.run(['run', lab.write(content), '--no-worker', '--out', out, '--poll', '0.1', ...options]);
}

async function uploads(): Promise<number> {
  return (await lab.admin<CallReport>('/emulator/calls')).calls['files.create'].count;
}

describe('bad input is refused with one line, exit 2, and nothing uploaded', () => {
  const good = lab.request(1);
  test.each<[what: string, content: string | Buffer, message: RegExp, options?: string[]]>([
    ['an empty file', '', /input-\d+\.jsonl: the file is empty/],
    ['not JSON', `${good}\n{"body":\n`, /:2: the line is not valid JSON: /],
    ['not an object', `${good}\n[1]\n`, /:2: the line is not a JSON object: /],
    ['no body', '{"custom_id":"a"}\n', /:1: the line has no "body": /],
    ['no model', '{"body":{"messages":[]}}\n', /:1: the line names no model: .*--model/],
    [
      'streaming',
      '{"body":{"model":"m","messages":[],"stream":true}}\n',
      /:1: the line asks for "stream": true: /,
    ],
    [
      'an unknown url',
      '{"url":"/v1/nope","body":{"model":"m"}}\n',
      /:1: the line has a "url" that the Batch API lacks: /,
    ],
    [
      'a long line',
      `${good}\n${lab.request(2, 'x'.repeat(3_000))}\n`,
      /:2: the line is longer than a batch may be/,
      ['--shard-bytes', '2000'],
    ],
    [
      'invalid UTF-8',
      Buffer.from([...Buffer.from(`${good}\n{"body":"`), 0xff, ...Buffer.from('"}\n')]),
      /:2: the line is not valid UTF-8: /,
    ],
    ['a NUL byte', `${good}\n{"body":"\u0000"}\n`, /:2: the line holds a NUL byte: /],
    [
      'an option out of range',
      `${good}\n`,
      /--attempts must be a number from 1 to 20, got 0/,
      ['--attempts', '0'],
    ],
    [
      'an endpoint that the API does not have',
      `${good}\n`,
      /--endpoint must be one of /,
      ['--endpoint', '/v1/nope'],
    ],
  ])('%s', async (_what, content, message, options = []) => {
    const before = await uploads();
    const ended = await run(content, ...options);
    const lines = ended.err.split('\n').filter((line) => line.startsWith('durable-batch: '));
    expect(ended.code).toBe(2);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(message);
    expect(await uploads()).toBe(before);
  });

  test.each<[what: string, env: NodeJS.ProcessEnv, message: RegExp]>([
    ['no key', { OPENAI_API_KEY: '' }, /No API key: set OPENAI_API_KEY/],
    [
      'an unreachable API',
      { OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' },
      /Cannot reach the API at 127\.0\.0\.1:9/,
    ],
    ['no Temporal', { TEMPORAL_ADDRESS: '127.0.0.1:9' }, /No Temporal server responds at 127\.0\.0\.1:9/],
  ])('%s', async (_what, env, message) => {
    const ended = await lab.run(['run', lab.requests(1), '--out', out], env);
    expect(ended.code).toBe(2);
    expect(ended.err).toMatch(message);
  });

  test('a folder with the results of another job', async () => {
    const taken = ['--out', join(lab.folder, 'taken')];
    expect((await run(`${good}\n`, ...taken)).code).toBe(0);
    const ended = await run(`${lab.request(2)}\n`, ...taken);
    expect(ended.code).toBe(2);
    expect(ended.err).toMatch(/holds the results of job input-/);
  });

  test('with --skip-bad-lines they end failed and the others are answered', async () => {
    const ended = await run(`${good}\nnot json\n${lab.request(3)}\n`, '--skip-bad-lines');
    expect(ended.code).toBe(3);
    expect(lab.rowsOf(out).map(({ line, status, error }) => [line, status, error?.code])).toEqual([
      [1, 'answered', undefined],
      [2, 'failed', 'bad_line'],
      [3, 'answered', undefined],
    ]);
  });
});
