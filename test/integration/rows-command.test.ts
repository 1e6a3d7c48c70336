/** `run` and `start` over tables, documents, queries and standard input, and `--dry-run`. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallReport } from 'openai-batch-emulator';
import { CliHarness, slow, until, type Ended } from '../support/cli-harness.ts';

const lab = new CliHarness();
const model = ['--model', 'gpt-5-mini'];
const quick = [...model, '--poll', '0.1'];
/** For jobs that the worker beside them does. */
const beside = [...quick, '--no-worker'];

beforeAll(async () => {
  await lab.useEmulator({});
  lab.start(['worker']);
});
afterAll(async () => {
  await lab.close();
});

function file(name: string, text: string | Buffer): string {
  const path = join(lab.folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const textsOf = (out: string): unknown[] =>
  lab.rowsOf(out).map(({ id, response }) => [id, response?.choices[0]?.message.content ?? null]);

describe('run', () => {
  test('sends a request for each row of a table, and the same command buys nothing again', async () => {
    const input = file('reviews.csv', 'key,review\na,good\nb,bad\n');
    const prompt = file('prompt.md', 'Label: {{ review }}\n');
    const out = join(lab.folder, 'out-table');
    const args = ['run', input, '--prompt', prompt, '--id-column', 'key', '--param', 'seed=7', '--out', out];
    for (let time = 1; time <= 2; time += 1) {
      const { code, err } = await lab.run([...args, ...beside]);
      expect({ code, err }).toMatchObject({ code: 0 });
      expect(textsOf(out)).toEqual([
        ['a', 'Label: good'],
        ['b', 'Label: bad'],
      ]);
      expect((await lab.ledger()).paid).toBe(2);
    }
  });

  test('killed in the middle, continues the job of its rows with the same command', async () => {
    const { port } = lab.emulator;
    await lab.useEmulator({ ...slow, port });
    const own = { DURABLE_BATCH_TASK_QUEUE: 'killed' };
    const input = file('killed.csv', `n\n${Array.from({ length: 40 }, (_, i) => i).join('\n')}\n`);
    const out = join(lab.folder, 'out-killed');
    const args = ['run', input, '--prompt', 'n {{ n }}', '--shard-lines', '10', '--out', out, ...quick];
    const { child, ended } = lab.start(args, own);
    await until(async () => (await lab.ledger()).batches > 0);
    child.kill('SIGKILL');
    await ended;
    expect(await lab.run(args, own)).toMatchObject({ code: 0 });
    expect(lab.rowsOf(out)).toHaveLength(40);
    expect(await lab.ledger()).toMatchObject({ paid: 40, lines_paid_twice_or_more: 0 });
    await lab.useEmulator({ port });
  });

  test('reads standard input and queries', async () => {
    const out = join(lab.folder, 'out-stdin');
    const read = ['run', '-', '--format', 'jsonl', '--prompt', 'n is {{ n }}', '--out', out, ...beside];
    expect(await lab.run(read, {}, '{"n":1}\n{"n":2}\n')).toMatchObject({ code: 0 });
    expect(textsOf(out)).toEqual([
      ['1', 'n is 1'],
      ['2', 'n is 2'],
    ]);
    const query = ['run', '--sql', 'select 3 as n', '--prompt', 'n is {{ n }}', ...beside];
    const outQuery = join(lab.folder, 'out-query');
    expect(await lab.run([...query, '--out', outQuery])).toMatchObject({ code: 0 });
    expect(textsOf(outQuery)).toEqual([['1', 'n is 3']]);
  });

  test('takes a job file, from any folder', async () => {
    file('jobs/reviews.csv', 'key,review\na,good\n');
    file('jobs/prompt.md', 'Of a file: {{ review }}');
    const job = file(
      'jobs/sentiment.job.yaml',
      `sql: select review from '${lab.folder}/jobs/reviews*.csv'\nprompt: { file: prompt.md }\nmodel: gpt-5-mini\nout: labels\npollSeconds: 0.1\n`,
    );
    expect(await lab.run(['run', job, '--no-worker'])).toMatchObject({ code: 0 });
    expect(textsOf(join(lab.folder, 'jobs/labels'))).toEqual([['1', 'Of a file: good']]);
    const wrong = file('jobs/wrong.job.yaml', 'input: reviews.csv\npromt: x\n');
    expect(await lab.run(['run', wrong])).toMatchObject({
      code: 2,
      err: `durable-batch: ${wrong}:2: key promt does not exist: did you mean prompt?\n`,
    });
  });

  test('embeds documents; one that cannot be read is named, and fails', async () => {
    file('docs/a.md', 'One sentence here. Another one there.');
    file('docs/sub/b.md', 'Short.');
    file('docs/sub/c.md', Buffer.from([0xff, 0xfe]));
    const out = join(lab.folder, 'out-docs');
    const args = ['run', join(lab.folder, 'docs/**/*.md'), '--embed', '--model', 'text-embedding-3-small'];
    const { code, err } = await lab.run([
      ...args,
      '--no-worker',
      '--chunk-tokens',
      '5',
      '--skip-bad-lines',
      '--poll',
      '0.1',
      '--out',
      out,
    ]);
    expect(code).toBe(3);
    expect(err).toContain(
      'docs/sub/c.md is not valid UTF-8: a document that cannot be read ends as a failed row.',
    );
    expect(lab.rowsOf(out).map(({ status }) => status)).toEqual([
      'answered',
      'answered',
      'answered',
      'failed',
    ]);
    expect(lab.rowsOf(out)[3]!.error).toEqual({
      code: 'bad_line',
      message:
        'The row has a document that is not valid UTF-8: save it as UTF-8, or leave it out of the pattern.',
    });
  });
});

describe('--dry-run', () => {
  /** Neither a key nor an API, nor a home. */
  const nothing = { OPENAI_API_KEY: '', OPENAI_BASE_URL: '', DURABLE_BATCH_HOME: join(lab.folder, 'none') };

  test('prints what would be sent, of rows and of ready requests', async () => {
    const input = file('many.csv', `n\n${[1, 2, 3, 4].join('\n')}\n`);
    const dry = await lab.run(['run', input, '--prompt', 'n {{ n }}', ...model, '--dry-run'], nothing);
    const request = (n: number): string =>
      `{"custom_id":"${n}","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-5-mini","messages":[{"role":"user","content":"n ${n}"}]}}`;
    expect(dry).toMatchObject({ code: 0, err: '' });
    expect(dry.out.split('\n')).toEqual([
      ...[1, 2, 3].map(request),
      'rows        4: 4 requests, 0 bad',
      expect.stringMatching(/^bytes {7}\d+$/),
      'dry run     nothing was sent',
      '',
    ]);
    const ready = file('ready.jsonl', '{"body":{"input":"x"}}\n{}\n');
    const bad = await lab.run(['start', ready, '--model', 'm', '--dry-run', '--json'], nothing);
    expect(bad).toMatchObject({
      code: 2,
      err: `durable-batch: ${ready}:2: the line has no "body": put the request into "body": {"body":{"model":…,"messages":[…]}}.\n`,
    });
    expect(JSON.parse(bad.out)).toMatchObject({ requests: 1, bad: 1, first_bad: { line: 2 } });
    expect(existsSync(nothing.DURABLE_BATCH_HOME)).toBe(false);
  });

  test('ends with 0 for bad rows that are skipped', async () => {
    const input = file('gaps.csv', 'n,m\n1,x\n,y\n');
    const args = ['run', input, '--prompt', '{{ n }}', ...model, '--dry-run'];
    expect(await lab.run([...args, '--skip-bad-lines'], nothing)).toMatchObject({ code: 0, err: '' });
    expect(await lab.run(args, nothing)).toMatchObject({
      code: 2,
      err: `durable-batch: ${input}:2: the row has an empty prompt: fill in the columns of the prompt, or leave the row out.\n`,
    });
  });
});

describe('in one sentence, with exit code 2 and nothing sent, is refused', () => {
  const table = file('t.csv', 'a,b\n1,2\n');
  const prompt = ['--prompt', '{{ a }}'];
  const out = join(lab.folder, 'out-refused');
  const dry = async (...args: string[]): Promise<Ended> => await lab.run(['run', ...args, '--dry-run']);
  const wet = async (...args: string[]): Promise<Ended> =>
    await lab.run(['run', ...args, '--poll', '0.1', '--out', out]);

  test.each<[string, string[], RegExp]>([
    ['no input', [], /The input is missing: name a file, or give --sql\./],
    ['a table without a prompt', [table], /t\.csv is a table: add --prompt/],
    ['a prompt without a model', [table, ...prompt], /Option model is missing: name a model/],
    [
      'a prompt that is neither file nor text',
      [table, '--prompt', 'p.md', ...model],
      /"p\.md" does not exist/,
    ],
    [
      'a column that is not there',
      [table, '--prompt', 'x {{ aa }}', ...model],
      /has no column "aa", which is used at --prompt:1:6: did you mean "a"\?/,
    ],
    [
      'a template that does not parse',
      [table, '--prompt', 'x\n {{ a', ...model],
      /--prompt:2:2: .* correct the template/,
    ],
    [
      'a file that is missing',
      [join(lab.folder, 'none.csv'), ...prompt, ...model],
      /none\.csv does not exist: check the path/,
    ],
    ['a pattern that matches nothing', [join(lab.folder, '*.none'), ...prompt, ...model], /matches no file/],
    ['a ragged table', [file('ragged.csv', 'a,b\n1,2\n1,2,3\n'), ...prompt, ...model], /ragged\.csv: row 2 /],
    [
      'the wrong encoding',
      [file('latin.csv', Buffer.from('a\n\xe9\n', 'latin1')), ...prompt, ...model],
      /latin\.csv.* UTF-8/,
    ],
    [
      'two columns of one name',
      [file('twice.csv', 'a,A\n1,2\n'), ...prompt, ...model],
      /column A is the name of columns 1 and 2/,
    ],
    ['no rows', [file('empty.csv', 'a,b\n'), ...prompt, ...model], /empty\.csv has no rows to send/],
    [
      'a query that fails',
      ['--sql', 'select nope from t', ...prompt, ...model],
      /the query fails \(.*\): correct it/,
    ],
    [
      'a query without rows',
      ['--sql', 'select 1 as a where false', ...prompt, ...model],
      /the query has no rows to send/,
    ],
    [
      'a query and an input',
      [table, '--sql', 'select 1', ...prompt, ...model],
      /Option sql cannot be combined with input/,
    ],
    [
      'an answer that is no file',
      [table, ...prompt, ...model, '--answer', 'none.json'],
      /none\.json does not exist/,
    ],
    [
      'an answer that is no JSON',
      [table, ...prompt, ...model, '--answer', file('broken.json', '{\n"a":\n}')],
      /broken\.json(:3)? is not valid JSON/,
    ],
    [
      'a schema that strict mode refuses',
      [table, ...prompt, ...model, '--answer', file('loose.json', '{"type":"object","properties":{}}')],
      /Option answer: .*loose\.json: .*additionalProperties/,
    ],
    ['a field without a value', [table, ...prompt, ...model, '--param', 'temperature'], /must be key=value/],
    [
      'two models',
      [table, ...prompt, ...model, '--model-column', 'a'],
      /--model-column cannot be combined with --model/,
    ],
    [
      'a detail of no images',
      [table, ...prompt, ...model, '--image-detail', 'low'],
      /--image-detail needs --images/,
    ],
    ['an unknown format', [table, ...prompt, ...model, '--format', 'xls'], /Option format must be one of/],
  ])('%s', async (_, args, message) => {
    const before = await lab.admin('/emulator/calls');
    for (const run of [dry, wet]) {
      const { code, err } = await run(...args);
      expect(err).toMatch(message);
      expect({ code, lines: err.split('\n').length }).toEqual({ code: 2, lines: 2 });
    }
    expect(await lab.admin('/emulator/calls')).toEqual(before);
  });

  test.each<[string, string[], RegExp]>([
    ['an output in a folder that does not exist', ['--out', join(lab.folder, 'no', 'x.csv')], /create it/],
    [
      'a matrix in a folder that does not exist',
      ['--out', out, '--npy', join(lab.folder, 'no', 'v.npy')],
      /create it/,
    ],
    ['columns of a folder', ['--out', out, '--keep', 'a'], /--keep is for tables/],
  ])('%s, before the input is read', async (_, outputs, message) => {
    const missing = join(lab.folder, 'none.csv');
    const { code, err } = await lab.run(['run', missing, ...prompt, ...model, ...outputs]);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });

  test('a missing image, as the fault of its row', async () => {
    const images = file('images.csv', 'a,i\nx,none.png\n');
    const sent = async (): Promise<unknown> => {
      const { calls } = await lab.admin<CallReport>('/emulator/calls');
      return [calls['files.create'], calls['uploads.create'], calls['batches.create']];
    };
    const before = await sent();
    for (const run of [dry, wet]) {
      const { code, err } = await run(images, ...prompt, ...model, '--images', 'i');
      expect({ code, err }).toMatchObject({
        code: 2,
        err: expect.stringMatching(/images\.csv:1: .*does not exist/) as string,
      });
    }
    expect(await sent()).toEqual(before);
  });

  test('a run without --out', async () => {
    const { code, err } = await lab.run(['run', table, ...prompt, ...model]);
    expect({ code, err }).toEqual({
      code: 2,
      err: 'durable-batch: Option --out is missing: name a file or a folder for the results.\n',
    });
  });
});

test('an estimate needs no key and sends nothing; it expects the output tokens of earlier jobs with the same prompt', async () => {
  const input = file('estimated.csv', 'text\none\ntwo\nthree\n');
  const args = [
    input,
    '--prompt',
    'Answer to {{ text }}',
    '--model',
    'gpt-5-mini',
    '--param',
    'max_completion_tokens=50',
  ];
  const estimate = async (...more: string[]): Promise<Record<string, unknown>> => {
    const { code, out, err } = await lab.run(['estimate', ...args, ...more, '--json'], {
      OPENAI_API_KEY: '',
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return JSON.parse(out) as Record<string, unknown>;
  };
  const { calls: before } = await lab.admin<CallReport>('/emulator/calls');
  const first = await estimate('--token-limit', '60', '--shard-lines', '1');
  expect((await lab.admin<CallReport>('/emulator/calls')).calls).toEqual(before);
  expect(first).toMatchObject({ lines: 3, requests: 3, bad: 0, batches: 3, earlier: null });
  const [group] = first['models'] as [Record<string, number>];
  expect(group).toMatchObject({
    model: 'gpt-5-mini',
    prompt_tokens: 30,
    max_output_tokens: 150,
    expected_output_tokens: null,
    prompt_margin: 0,
    waves: 1,
    too_large: null,
  });
  const waves = async (...more: string[]): Promise<unknown> =>
    ((await estimate(...more))['models'] as [Record<string, unknown>])[0];
  expect(await waves('--token-limit', '25', '--shard-lines', '1')).toMatchObject({ waves: 2 });
  // Without `--shard-lines`, shards are cut for the limit.
  expect(await waves('--token-limit', 'gpt-5-mini=25')).toMatchObject({ waves: 2, too_large: null });
  expect(await waves('--token-limit', '9')).toMatchObject({
    waves: null,
    too_large: { prompt_tokens: 10, shard_lines: 1 },
  });
  expect(group['max_cost_usd']).toBeGreaterThan(group['prompt_cost_usd']!);

  const { code } = await lab.run([
    'run',
    ...args,
    '--out',
    join(lab.folder, 'estimated.jsonl'),
    '--no-worker',
    '--poll',
    '0.1',
  ]);
  expect(code).toBe(0);
  expect(await estimate()).toMatchObject({
    earlier: { answers: 3, jobs: 1 },
    models: [{ expected_output_tokens: expect.any(Number) as number }],
  });
  const elsewhere = await lab.run(['estimate', ...args, '--json'], {
    OPENAI_BASE_URL: 'https://api.test/v1',
  });
  expect(JSON.parse(elsewhere.out)).toMatchObject({ earlier: null });
  const text = await lab.run(['estimate', ...args]);
  expect(text.out).toMatch(/gpt-5-mini +3 +1 .*expected, at most 150/);

  const faulty = file('bad.csv', 'text\none\n""\n');
  const bad = await lab.run(['estimate', faulty, '--prompt', '{{ text }}', '--model', 'gpt-5-mini']);
  expect(bad).toMatchObject({
    code: 2,
    err: expect.stringMatching(/bad\.csv:2: the row has an empty prompt/),
  });
  const wrong = await lab.run(['estimate', ...args, '--token-limit', '0']);
  expect(wrong).toMatchObject({
    code: 2,
    err: expect.stringContaining('--token-limit must be a whole number of tokens above 0 for each model'),
  });
});
