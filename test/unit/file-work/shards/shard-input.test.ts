import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { JobOptions } from '../../../../src/core/job-spec.ts';
import type { RoundPlan } from '../../../../src/core/shard-plan.ts';
import { shardInput } from '../../../../src/file-work/shards/shard-input.ts';
import { arrayInput } from '../../../support/array-input.ts';
import {
  allRequests,
  build,
  JOB,
  manifestOf,
  plan,
  rejectedRows,
  requestLine,
  requestsOf,
  specFor,
} from '../../../support/file-job.ts';
import { openFiles, OpenFileWatch } from '../../../support/open-files.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

type Options = Omit<JobOptions, 'input' | 'jobId'>;

const first = 'r1-00001';

/** The body of an uploaded line. */
function bodyIn(request: string): string {
  return request.slice(request.indexOf('"body":') + 7, -1);
}

function bodiesOf(input: string | Uint8Array, options?: Options): string[] {
  using folder = new TempFolder();
  return allRequests(folder.path, plan(folder.path, input, options)).map(bodyIn);
}

function faultOf(input: string | Uint8Array, options?: Options): string {
  using folder = new TempFolder();
  const result = build(folder.path, input, options);
  return 'fault' in result ? `${result.fault.line} ${result.fault.reason}` : 'none';
}

/** All files of the job with their bytes. */
function filesIn(folder: string): Record<string, string> {
  const names = readdirSync(join(folder, 'jobs'), { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    names
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(folder.length), readFileSync(path, 'latin1')]),
  );
}

const [a, b, c] = ['a', 'b', 'c'].map((text) => requestLine(text)) as [string, string, string];

test('writes each request under the number of its line', () => {
  using folder = new TempFolder();
  expect(plan(folder.path, `${a}\n${b}\n`)).toEqual({
    shards: 1,
    lines: 2,
    shardLines: [2],
    rejected: 0,
    models: ['gpt-4o-mini'],
  });
  const requests = requestsOf(folder.path, first);
  expect(
    requests
      .split('\n')
      .slice(0, 2)
      .map((text) => JSON.parse(text) as unknown),
  ).toEqual([
    { custom_id: '1', method: 'POST', url: '/v1/chat/completions', ...(JSON.parse(a) as object) },
    { custom_id: '2', method: 'POST', url: '/v1/chat/completions', ...(JSON.parse(b) as object) },
  ]);
  expect(manifestOf(folder.path, first)).toEqual({
    model: 'gpt-4o-mini',
    endpoint: '/v1/chat/completions',
    lines: 2,
    bytes: Buffer.byteLength(requests),
    ranges: [[1, 2]],
    carried: [],
    hasIds: false,
  });
});

describe('changes that editors and systems make to files', () => {
  test.each<[title: string, input: string]>([
    ['a byte order mark', `\ufeff${a}\n${b}\n`],
    ['Windows line ends', `${a}\r\n${b}\r\n`],
    ['no line feed at the end', `${a}\n${b}`],
    ['blanks around a line', `  ${a}\t\n ${b} `],
    ['a byte order mark before blanks', `\ufeff ${a}\r\n${b}`],
  ])('%s changes no request', (_, input) => {
    expect(bodiesOf(input)).toEqual(bodiesOf(`${a}\n${b}\n`));
  });

  test('blank lines are skipped, but count in the line numbers', () => {
    using folder = new TempFolder();
    expect(plan(folder.path, `\n${a}\n \r\n\n${b}\n\n`)).toMatchObject({ lines: 2, rejected: 0 });
    expect(manifestOf(folder.path, first).ranges).toEqual([
      [2, 2],
      [5, 5],
    ]);
  });
});

describe('bodies are uploaded byte for byte', () => {
  test.each<[title: string, body: string]>([
    ['numbers beyond 2^53', '{"model":"m","messages":[],"seed":12345678901234567890123}'],
    ['numbers as they were written', '{"model":"m","messages":[],"temperature":1.0e0,"x":-0.0}'],
    ['duplicate keys', '{"model":"m","messages":[1],"a":1,"a":2,"messages":[]}'],
    ['escapes', '{"model":"m","messages":["\\u00e9\\/\\ud83d\\ude00\\u0000"]}'],
    ['a lone surrogate', '{"model":"m","messages":["\\ud800"]}'],
    ['escaped line separators', '{"model":"m","messages":["a\\u2028b\\u2029c\\u0085"]}'],
    ['white space', '{ "model" : "m" ,\t"messages" : [ ] }'],
    ['letters of any script', '{"model":"m","messages":["日本語 🎉 é e\u0301"]}'],
  ])('%s', (_, body) => {
    using folder = new TempFolder();
    plan(folder.path, `{"custom_id":"x","body":${body},"note":1}\n`);
    expect(requestsOf(folder.path, first)).toContain(`"body":${body}}\n`);
  });

  test('except for raw line separators, which are escaped', () => {
    using folder = new TempFolder();
    plan(folder.path, '{"body":{"model":"m","messages":["a\u2028b\u2029c\u0085“d”"]}}\n');
    expect(requestsOf(folder.path, first)).toContain('"messages":["a\\u2028b\\u2029c\\u0085“d”"]');
  });
});

describe('the default model', () => {
  test.each<[body: string, written: string]>([
    ['{}', '{"model":"m"}'],
    ['{ }', '{"model":"m" }'],
    ['{ "a":1}', '{"model":"m", "a":1}'],
    ['{\t"a":1 }', '{"model":"m",\t"a":1 }'],
    ['{"a":{"model":"x"}}', '{"model":"m","a":{"model":"x"}}'],
    ['{\r}', '{"model":"m"\r}'],
  ])('is added to %j', (body, written) => {
    expect(bodiesOf(`{"body":${body}}`, { model: 'm', endpoint: '/v1/responses' })).toEqual([written]);
  });

  test('is quoted as JSON', () => {
    const [body] = bodiesOf('{"body":{"input":"x"}}', { model: 'a"b\\é' });
    expect(JSON.parse(body!)).toEqual({ model: 'a"b\\é', input: 'x' });
  });
});

describe('refused input', () => {
  test.each<[fault: string, input: string | Uint8Array, options?: Options]>([
    ['2 is not valid JSON', `${a}\n{"body":\n${b}`],
    ['2 is not a JSON object', `${a}\n[]\n`],
    ['1 has no "body"', '{}'],
    ['2 holds a NUL byte', `${a}\n${a.replace('"a"', '"\0"')}\n`],
    [
      '2 is not valid UTF-8',
      Buffer.concat([Buffer.from(`${a}\n{"body":"`), Buffer.of(0xff), Buffer.from('"}\n')]),
    ],
    [
      '2 is longer than a batch may be (1000 bytes)',
      `${a}\n${requestLine('x'.repeat(1_000))}\n${b}`,
      { shardBytes: 1_000 },
    ],
    ['1 is longer than a batch may be (1000 bytes)', requestLine('x'.repeat(850)), { shardBytes: 1_000 }],
    ['null holds no requests', '\n \r\n\n'],
    ['null holds no requests', '\ufeff'],
    ['2 begins with a byte order mark, as after joining files', `${a}\n\ufeff${b}`],
    ['1 begins with a byte order mark, as after joining files', `\ufeff\ufeff${a}`],
  ])('%s', (fault, input, options) => {
    expect(faultOf(input, options)).toBe(fault);
  });

  test.each<[format: string, input: string | Uint8Array, advice: string]>([
    [
      'looks like the header of a CSV file',
      `id,prompt,answer\n1,"a, b",c\n`,
      'write each row as one JSON request',
    ],
    ['looks like the header of a CSV file', '\ufeff"id";"prompt"\r\n', 'write each row as one JSON request'],
    ['is the start of a gzip file', gzipSync(`${a}\n${b}\n`), 'unpack it first, e.g. with gunzip -k'],
    ['is the start of a zip file', 'PK\x03\x04\0\n', 'unpack it first'],
    ['is the start of a Parquet file', 'PAR1\x15\x04\n', 'write each row as one JSON request'],
    ['is the start of a JSON array', `[\n${a},\n${b}\n]\n`, "e.g. with jq -c '.[]'"],
    ['is the start of a JSON array', `[${a},${b}]`, "e.g. with jq -c '.[]'"],
    [
      'is the start of a JSON object that continues',
      JSON.stringify(JSON.parse(a), null, 2),
      'e.g. with jq -c .',
    ],
    ['is the start of a JSON object that continues', `\n{"body":\n{}}\n`, 'e.g. with jq -c .'],
  ])('a file in another format is reported: it %s', (format, input, advice) => {
    using folder = new TempFolder();
    const result = build(folder.path, input);
    expect(result).toMatchObject({
      fault: {
        reason: expect.stringContaining(format) as string,
        advice: expect.stringContaining(advice) as string,
      },
    });
  });

  test.each([
    ['{"body":{"model":"m","messages":[1,2}}', 'is not valid JSON'],
    ['hello', 'is not valid JSON'],
    [`{"model":"m"}`, 'has no "body"'],
  ])('and a bad first line of requests, %s, is not', (line, reason) => {
    expect(faultOf(`${line}\n${a}\n`)).toBe(`1 ${reason}`);
  });

  test('the first of several faults is reported', () => {
    expect(faultOf(`${a}\n{}\n[]\n`)).toBe('2 has no "body"');
  });

  test('an input that changed after the job was started', () => {
    using folder = new TempFolder();
    const spec = specFor(folder.path, `${a}\n`);
    writeFileSync(spec.input.path, `${b}\n`);
    expect(shardInput(folder.path, { spec })).toMatchObject({
      fault: { line: null, reason: expect.stringContaining('changed') },
    });
    writeFileSync(spec.input.path, `${a}\n${b}\n`);
    expect(shardInput(folder.path, { spec })).toMatchObject({
      fault: { line: null, reason: expect.stringContaining('changed') },
    });
  });

  test('leaves no half-written files', () => {
    using folder = new TempFolder();
    build(folder.path, `${requestLine('x', { custom_id: 'x' })}\n[]\n{}`, { skipBadLines: false });
    expect(Object.keys(filesIn(folder.path))).toEqual([]);
  });
});

describe('with skipBadLines', () => {
  test('bad lines end as failed rows, and the others are sent', () => {
    using folder = new TempFolder();
    const input = `nope\n${a}\n{"custom_id":"mine"}\n\n${b}\n`;
    expect(plan(folder.path, input, { skipBadLines: true })).toEqual({
      shards: 1,
      lines: 2,
      shardLines: [2],
      rejected: 2,
      models: ['gpt-4o-mini'],
    });
    const row = (line: number, id: string, message: string): unknown => ({
      line,
      id,
      status: 'failed',
      attempts: 0,
      batch_id: null,
      response: null,
      error: { code: 'bad_line', message: expect.stringContaining(message) },
      usage: null,
    });
    expect(rejectedRows(folder.path)).toEqual([
      row(1, '1', 'is not valid JSON'),
      row(3, 'mine', 'has no "body"'),
    ]);
  });

  test('overlong, NUL and broken UTF-8 lines are skipped, too', () => {
    using folder = new TempFolder();
    const input = Buffer.concat([
      Buffer.from(`${requestLine('x'.repeat(3_000))}\n"\0"\n`),
      Buffer.of(0x22, 0xc3, 0x22, 0x0a),
      Buffer.from(a),
    ]);
    expect(plan(folder.path, input, { skipBadLines: true, shardBytes: 1_000 })).toMatchObject({
      lines: 1,
      rejected: 3,
    });
    expect(rejectedRows(folder.path).map(({ line }) => line)).toEqual([1, 2, 3]);
  });

  test('an input of bad lines only has no shards', () => {
    using folder = new TempFolder();
    expect(plan(folder.path, '{}\n[]', { skipBadLines: true })).toEqual({
      shards: 0,
      lines: 0,
      shardLines: [],
      rejected: 2,
      models: [],
    });
  });
});

describe('shards', () => {
  test('have one model and one endpoint each', () => {
    using folder = new TempFolder();
    const line = (model: string, url: string): string =>
      JSON.stringify({ url, body: { model, input: 'x', messages: [] } });
    const input = [
      line('m1', '/v1/responses'),
      line('m2', '/v1/responses'),
      line('m1', '/v1/chat/completions'),
      line('m1', '/v1/responses'),
      line('m2', '/v1/responses'),
    ].join('\n');
    expect(plan(folder.path, input).shardLines).toEqual([2, 2, 1]);
    const manifests = [1, 2, 3].map((n) => manifestOf(folder.path, `r1-0000${n}`));
    expect(manifests.map(({ model, endpoint, ranges }) => [model, endpoint, ranges])).toEqual([
      [
        'm1',
        '/v1/responses',
        [
          [1, 1],
          [4, 4],
        ],
      ],
      [
        'm2',
        '/v1/responses',
        [
          [2, 2],
          [5, 5],
        ],
      ],
      ['m1', '/v1/chat/completions', [[3, 3]]],
    ]);
  });

  test('of hundreds of models are written at the same time, whatever the limit of open files', () => {
    using folder = new TempFolder();
    const text = 'x'.repeat(10_000);
    const lines = Array.from(
      { length: 900 },
      (_, i) => `{"custom_id":"id ${i}","body":{"model":"m${i % 300}","messages":["${text}"]}}\n`,
    );
    const spec = specFor(folder.path, lines.join(''));
    const counter = new OpenFileWatch();
    const { plan: round } = shardInput(folder.path, { spec, counter }) as { plan: RoundPlan };
    expect(round).toMatchObject({ shards: 300, lines: 900 });
    expect(counter.most - openFiles()).toBeLessThan(150);
    expect(allRequests(folder.path, round)).toHaveLength(900);
    expect(manifestOf(folder.path, 'r1-00300')).toMatchObject({
      model: 'm299',
      ranges: [300, 600, 900].map((line) => [line, line]),
    });
  });

  test('never hold more lines than configured', () => {
    using folder = new TempFolder();
    const input = Array.from({ length: 10 }, (_, i) => requestLine(String(i))).join('\n');
    expect(plan(folder.path, input, { shardLines: 4 }).shardLines).toEqual([4, 4, 2]);
    expect(manifestOf(folder.path, 'r1-00003').ranges).toEqual([[9, 10]]);
  });

  test('never hold more bytes than configured, added models included', () => {
    using folder = new TempFolder();
    const input = Array.from({ length: 40 }, (_, i) => `{"body":{"messages":["${'é'.repeat(i * 5)}"]}}`).join(
      '\n',
    );
    const { shards, lines } = plan(folder.path, input, { shardBytes: 1_500, model: 'a"model' });
    expect(lines).toBe(40);
    for (let i = 1; i <= shards; i += 1) {
      const { bytes } = manifestOf(folder.path, `r1-${String(i).padStart(5, '0')}`);
      expect(bytes).toBeLessThanOrEqual(1_500);
    }
  });

  test('never hold more than 50,000 embedding inputs', () => {
    using folder = new TempFolder();
    const input = JSON.stringify({
      body: { model: 'text-embedding-3-small', input: Array.from({ length: 2_000 }, () => 'x') },
    });
    expect(plan(folder.path, Array.from({ length: 26 }, () => input).join('\n')).shardLines).toEqual([25, 1]);
  });

  test('keep the ids of the lines that have one', () => {
    using folder = new TempFolder();
    plan(folder.path, [a, requestLine('b', { custom_id: 'é\u2028' }), c].join('\n'));
    expect(manifestOf(folder.path, first).hasIds).toBe(true);
    const ids = readFileSync(folder.at('jobs', JOB, 'shards', first, 'ids.jsonl'), 'utf8');
    expect(ids).toBe('null\n"é\u2028"\nnull\n');
  });

  test('are the same when they are built twice, and no other files are left', () => {
    using folder = new TempFolder();
    const lines = Array.from({ length: 9 }, (_, i) =>
      i % 4 === 3
        ? 'bad'
        : JSON.stringify({ custom_id: `id-${i}`, body: { model: `m${i % 2}`, messages: [] } }),
    );
    const options: Options = { skipBadLines: true, shardLines: 2 };
    const before = plan(folder.path, lines.join('\n'), options);
    const files = filesIn(folder.path);
    expect(plan(folder.path, lines.join('\n'), options)).toEqual(before);
    expect(filesIn(folder.path)).toEqual(files);
    expect(Object.keys(files).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('an input that the worker cannot read', () => {
  test('is a fault when it is missing, or a folder', () => {
    using folder = new TempFolder();
    const spec = specFor(folder.path, `${a}\n`);
    const reason = (): unknown => shardInput(folder.path, { spec });
    rmSync(spec.input.path);
    expect(reason()).toMatchObject({ fault: { line: null, reason: 'cannot be found by the worker' } });
    mkdirSync(spec.input.path);
    expect(reason()).toMatchObject({
      fault: { line: null, reason: 'is a folder where the worker reads it' },
    });
  });

  test('is a fault when it has become a pipe, to which a process may never write', () => {
    using folder = new TempFolder();
    const spec = specFor(folder.path, `${a}\n`);
    rmSync(spec.input.path);
    execFileSync('mkfifo', [spec.input.path]);
    expect(shardInput(folder.path, { spec })).toMatchObject({
      fault: { line: null, reason: 'is a pipe where the worker reads it' },
    });
  });

  test('is not a fault when the store cannot be written', () => {
    using folder = new TempFolder();
    const spec = specFor(folder.path, `${a}\n`);
    writeFileSync(folder.at('no-folder'), '');
    expect(() => shardInput(folder.at('no-folder'), { spec })).toThrow('ENOTDIR');
  });
});

describe('an input of another kind', () => {
  const rows = [requestLine('a', { custom_id: 'é' }), '', 'not JSON', requestLine('\u2028'), ` ${a} `];
  const options: Options = { skipBadLines: true, shardLines: 2 };

  test('is split into the same shards as a file with the same rows', () => {
    using fromFile = new TempFolder();
    using fromArray = new TempFolder();
    const round = plan(fromFile.path, rows.join('\n'), options);
    const spec = specFor(fromArray.path, rows.join(''), options);
    rmSync(spec.input.path);
    expect(shardInput(fromArray.path, { spec }, { lines: arrayInput(rows) })).toEqual({ plan: round });
    expect(round).toMatchObject({ shards: 2, lines: 3, rejected: 1 });
    const { 'input.jsonl': _, ...files } = filesIn(fromFile.path);
    expect(filesIn(fromArray.path)).toEqual(files);
  });

  test('is compared with its own fingerprint', () => {
    using folder = new TempFolder();
    const spec = specFor(folder.path, rows.join(''), options);
    expect(shardInput(folder.path, { spec }, { lines: arrayInput([...rows, a]) })).toMatchObject({
      fault: { line: null, reason: 'has changed since the job was started' },
    });
  });
});
