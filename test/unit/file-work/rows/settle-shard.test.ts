import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BatchErrorEntry } from '../../../../src/core/batch-status.ts';
import { shardId, ShardLines, type ShardOutcome } from '../../../../src/core/shard-plan.ts';
import { RowMeaning } from '../../../../src/openai/rows/row-meaning.ts';
import { packRetries } from '../../../../src/file-work/shards/pack-retries.ts';
import { countAnswers } from '../../../../src/file-work/rows/count-answers.ts';
import type { EndedShard } from '../../../../src/file-work/rows/ended-shard.ts';
import { settleShard } from '../../../../src/file-work/rows/settle-shard.ts';
import type { RowRule } from '../../../../src/file-work/rows/wrong-answer.ts';
import { cancelShard, refuseShard } from '../../../../src/file-work/rows/unsent-shard.ts';
import {
  JOB,
  claimFirstOutcome,
  manifestOf,
  neverRanRow,
  outputRow,
  plan,
  requestLine,
  requestsOf,
  type RawFiles,
  type Row,
  settle,
  shardRows,
} from '../../../support/file-job.ts';
import { settledRowsPath } from '../../../../src/file-work/records/shard-records.ts';
import { shardFiles } from '../../../../src/store/job-files.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const shard = 'r1-00001';
const answer = { object: 'chat.completion', choices: [], usage: { prompt_tokens: 5, completion_tokens: 7 } };

/** Settles the first batch of a shard of `count` lines. */
function settled(
  count: number,
  raw: RawFiles,
  ended: Partial<EndedShard> = {},
  ids: readonly string[] = [],
): { outcome: ShardOutcome; rows: Row[]; text: string } {
  using folder = new TempFolder();
  const lines = Array.from({ length: count }, (_, i) =>
    requestLine(`line ${i}`, ids[i] === undefined ? {} : { custom_id: ids[i] }),
  );
  plan(folder.path, lines.join('\n'));
  const outcome = settle(folder.path, shard, raw, ended)!;
  const path = settledRowsPath(folder.path, JOB, shard);
  return { outcome, rows: shardRows(folder.path, shard), text: readFileSync(path, 'utf8') };
}

/** The end of the only line of a shard: `answered`, `failed: <code>`, `again: <code>` or `again, free: <code>`. */
function endOf(raw: RawFiles, ended: Partial<EndedShard> = {}): string {
  const { outcome, rows } = settled(1, raw, ended);
  const [going] = outcome.again;
  const [code] = Object.keys(outcome.errors);
  if (going !== undefined) return `${going[2] === 0 ? 'again, free' : 'again'}: ${code}`;
  expect(rows).toHaveLength(1);
  return rows[0]!.status === 'answered' ? 'answered' : `failed: ${rows[0]!.error!.code}`;
}

const failing = (code: string | null, message = 'no'): unknown => ({
  error: { code, message, type: 'some_error' },
});

describe('a row decides how its line ends', () => {
  test.each<[end: string, row: string, raw: RawFiles, ended?: Partial<EndedShard>]>([
    ['answered', 'an answer', { output: outputRow(1, answer) }],
    ['answered', 'an answer of another success', { output: outputRow(1, answer, 201) }],
    ['answered', 'an answer in the error file', { errors: outputRow(1, answer) }],
    ['answered', 'an answer whose status is text', { output: outputRow(1, answer, '200') }],
    ['answered', 'an answer as a string of JSON', { output: outputRow(1, JSON.stringify(answer)) }],
    ['answered', 'a null error in the body', { output: outputRow(1, { ...answer, error: null }) }],
    [
      'answered',
      'a response that completed',
      { output: outputRow(1, { object: 'response', status: 'completed' }) },
    ],
    [
      'answered',
      'a response cut short',
      { output: outputRow(1, { object: 'response', status: 'incomplete' }) },
    ],
    [
      'again: server_error',
      'a response that failed',
      { output: outputRow(1, { object: 'response', status: 'failed', error: { code: 'server_error' } }) },
    ],
    [
      'again: unknown',
      'a response that failed without a reason',
      { output: outputRow(1, { object: 'response', status: 'failed' }) },
    ],
    [
      'failed: invalid_prompt',
      'a response refused for its prompt',
      { output: outputRow(1, { object: 'response', status: 'failed', error: { code: 'invalid_prompt' } }) },
    ],
    [
      'failed: context_length_exceeded',
      'an error in a 200 body',
      { output: outputRow(1, failing('context_length_exceeded')) },
    ],
    [
      'again: server_error',
      'a passing error in a 200 body',
      { output: outputRow(1, failing('server_error')) },
    ],
    [
      'again: some_error',
      'an error in a 200 body that has only a type',
      { output: outputRow(1, failing(null)) },
    ],
    ['failed: answer_unreadable', 'a 200 row without a body', { output: outputRow(1, null) }],
    ['failed: answer_unreadable', 'a 200 row with a list for a body', { output: outputRow(1, []) }],
    ['failed: answer_unreadable', 'a 200 row with text for a body', { output: outputRow(1, 'oops') }],
    [
      'failed: context_length_exceeded',
      '400',
      { errors: outputRow(1, failing('context_length_exceeded'), 400) },
    ],
    ['failed: http_400', '400 without a reason', { errors: outputRow(1, null, 400) }],
    ['failed: model_not_found', '404', { errors: outputRow(1, failing('model_not_found'), 404) }],
    ['failed: content_policy', '403', { errors: outputRow(1, failing('content_policy'), 403) }],
    ['failed: some_error', '422 in the output file', { output: outputRow(1, failing(null), 422) }],
    ['again: some_error', '408', { errors: outputRow(1, failing(null), 408) }],
    ['again: some_error', '409', { errors: outputRow(1, failing(null), 409) }],
    ['again: rate_limit_exceeded', '429', { errors: outputRow(1, failing('rate_limit_exceeded'), 429) }],
    ['again: server_error', '500', { errors: outputRow(1, failing('server_error'), 500) }],
    ['again: http_503', '503', { errors: outputRow(1, null, 503) }],
    ['again: http_0', 'status 0', { errors: outputRow(1, null, 0) }],
    ['again: http_302', '302', { errors: outputRow(1, null, 302) }],
    [
      'again, free: batch_expired',
      'batch_expired',
      { errors: neverRanRow(1, 'batch_expired') },
      { status: 'expired' },
    ],
    [
      'again, free: batch_cancelled',
      'batch_cancelled',
      { errors: neverRanRow(1, 'batch_cancelled') },
      { status: 'cancelled' },
    ],
    ['again: request_timeout', 'request_timeout', { errors: neverRanRow(1, 'request_timeout') }],
    ['again: unknown', 'neither a response nor an error', { output: '{"custom_id":"1"}\n' }],
    ['again: missing_row', 'no row in a completed batch', { output: '' }],
    ['again: missing_row', 'no files at all', {}],
    ['failed: answer_unreadable', 'a row that is cut off', { output: '{"custom_id":"1","resp\n' }],
    [
      'again: missing_row',
      'a row that names its line in no key of its own',
      { output: '{"x":{"custom_id":"1"},"resp\n' },
    ],
    [
      'again: missing_row',
      'a line of JSON that is printed over many',
      { output: '[\n{\n"custom_id": "1",\n' },
    ],
    ['again: missing_row', 'a row that is not an object', { output: '"1"\n' }],
    [
      'again: missing_row',
      'a row of no line of ours',
      { output: outputRow('01', answer) + outputRow('x', answer) + outputRow(2, answer) },
    ],
    ['again, free: batch_expired', 'no row in an expired batch', { output: '' }, { status: 'expired' }],
    ['again, free: batch_cancelled', 'no row in a cancelled batch', {}, { status: 'cancelled' }],
    ['again: batch_failed', 'a failed batch without reasons', {}, { status: 'failed' }],
    ['failed: answer_unavailable', 'a lost file', {}, { missing: 'unavailable' }],
    ['answered', 'a row beside a lost file', { output: outputRow(1, answer) }, { missing: 'unavailable' }],
    [
      'failed: answer_unavailable',
      'a transient error beside the lost output of a duplicate',
      { errors: neverRanRow(1, 'batch_expired') },
      { status: 'expired', missing: 'unavailable', lostDuplicate: true },
    ],
    [
      'again, free: batch_expired',
      'the same, bought again',
      { errors: neverRanRow(1, 'batch_expired') },
      { status: 'expired', missing: 'retry', lostDuplicate: true },
    ],
    [
      'failed: http_400',
      'a permanent error beside the lost output of a duplicate',
      { errors: outputRow(1, null, 400) },
      { missing: 'unavailable', lostDuplicate: true },
    ],
    ['answered', 'an answer without a line feed behind it', { output: outputRow(1, answer).trimEnd() }],
    ['answered', 'an answer and an empty error file', { output: outputRow(1, answer), errors: '' }],
    [
      'answered',
      'an answer, blank lines and Windows line ends',
      { output: `\n\r\n${outputRow(1, answer).replace('\n', '\r\n')}\n` },
    ],
    ['answered', 'an answer behind a byte order mark', { output: `\ufeff${outputRow(1, answer)}` }],
    [
      'failed: http_400',
      'no more than the last try of a line',
      { errors: outputRow(1, null, 400) },
      { attempts: 1 },
    ],
    [
      'failed: server_error',
      'a passing error of the last try',
      { errors: outputRow(1, failing('server_error'), 500) },
      { attempts: 1 },
    ],
    ['failed: missing_row', 'no row at the last try', {}, { attempts: 1 }],
    [
      'again, free: batch_expired',
      'a free try does not count as the last',
      {},
      { attempts: 1, status: 'expired' },
    ],
  ])('%s after %s', (end, _, raw, ended) => {
    expect(endOf(raw, ended)).toBe(end);
  });

  test.each<[end: string, status: number, code: string | null]>([
    ['again, free: insufficient_quota', 429, 'insufficient_quota'],
    ['again, free: billing_hard_limit_reached', 400, 'billing_hard_limit_reached'],
    ['again, free: invalid_api_key', 401, 'invalid_api_key'],
    ['again, free: some_error', 402, null],
    ['failed: model_not_found', 403, 'model_not_found'],
  ])('%s after a row with HTTP %i and the code %s, also at the last try', (end, status, code) => {
    const errors = outputRow(1, failing(code), status);
    expect(endOf({ errors }, { attempts: 1 })).toBe(end);
    const refused = end.startsWith('again') ? { code: end.split(': ')[1], lines: 1 } : undefined;
    expect(settled(1, { errors }).outcome.accountRefused).toEqual(refused);
  });
});

describe('a row that is not strict JSON', () => {
  const body =
    '{"object":"chat.completion","text":"A@@@@@@B","n":9007199254740993,"usage":{"prompt_tokens":5,"completion_tokens":7}}';
  const row = (answer: string, line = 1): Buffer =>
    Buffer.from(
      `{"id":"r","custom_id":"${line}","response":{"status_code":200,"request_id":"q","body":${answer}},"error":null}`,
    );
  const withBytes = (...bytes: number[]): Buffer => {
    const bad = row(body);
    Buffer.from(bytes).copy(bad, bad.indexOf('@@'));
    return bad;
  };

  test.each<[title: string, output: Buffer, response: string]>([
    ['NaN', row(body.replace('"text"', '"x":NaN,"text"')), body.replace('"text"', '"x":null,"text"')],
    ['-Infinity', row(body.replace('{"o', '{"l":[-Infinity],"o')), body.replace('{"o', '{"l":[null],"o')],
    ['a control character', withBytes(1), body.replace('@', '\\u0001')],
    ['a trailing comma', row(body.replace(/}$/, ',}')), body],
    ['a trailing comma behind the body', Buffer.from(`${row(body).toString().slice(0, -1)},}`), body],
    ['a lone continuation byte', withBytes(0x92), body.replace('@', '\uFFFD')],
    ['a surrogate as UTF-8', withBytes(0xed, 0xa0, 0xbd), body.replace('@@@', '\uFFFD\uFFFD\uFFFD')],
  ])('is repaired when it contains %s, and keeps its other bytes', (_, output, response) => {
    const { text, outcome } = settled(1, { output });
    expect(text).toContain(`"response":${response},"error":null`);
    expect(outcome).toMatchObject({ answered: 1, again: [], inputTokens: 5, outputTokens: 7, errors: {} });
  });

  test.each<[title: string, bad: string]>([
    ['is cut off', row(body, 2).toString().slice(0, 80)],
    ['holds a quote that is not escaped', row(body, 2).toString().replace('@@', '"')],
    ['holds an invalid number', row(body, 2).toString().replace('9007199254740993', '0x1F')],
    ['names its line by a number', `{"custom_id": 2 ,"response":{`],
    ['names other lines inside', `{"x":{"custom_id":"3"},"custom_id":"2","response":{"custom_id":"1",`],
  ])('and %s fails only its own line, is paid once, and names the bytes', (_, bad) => {
    const { rows, outcome } = settled(3, {
      output: Buffer.concat([row(body, 1), Buffer.from(`\n${bad}\n`), row(body, 3)]),
      errors: neverRanRow(2, 'batch_expired'),
    });
    expect(outcome).toMatchObject({ answered: 2, failed: 1, again: [], errors: { answer_unreadable: 1 } });
    expect(rows[1]).toMatchObject({
      status: 'failed',
      error: {
        code: 'answer_unreadable',
        message: expect.stringContaining(
          `row 2 of jobs/${JOB}/shards/${shard}/batch-1.output.jsonl`,
        ) as unknown,
      },
    });
  });

  test('is replaced by a row that can be read, in either order', () => {
    const [good, bad] = [`${row(body).toString()}\n`, `${row(body).toString().slice(0, 60)}\n`];
    for (const output of [good + bad, bad + good])
      expect(settled(1, { output }).outcome).toMatchObject({ answered: 1, failed: 0, errors: {} });
  });

  test.each([1_000, 5_000, 100_000])('nested %i deep is read like other rows', (depth) => {
    const deep = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const { text, outcome } = settled(2, {
      output: Buffer.concat([row(deep), Buffer.from('\n'), row(body, 2)]),
    });
    expect(outcome.answered).toBe(2);
    expect(text).toContain(`"response":${deep},"error":null`);
  });

  test('fails its line when it is malformed and deeply nested', () => {
    const { outcome } = settled(2, {
      output: `${row(`{"a":${'[{"b":'.repeat(50_000)}`).toString()}\n${row(body, 2).toString()}`,
    });
    expect(outcome).toMatchObject({ answered: 1, failed: 1 });
  });

  test('is separated from others in the same line of the file', () => {
    const broken = row(body, 3).toString().replace('9007199254740993', '0x1F');
    const rows = [row(body, 1), row(body.replace('"text"', '"x":NaN,"text"'), 2), broken, row(body, 4)];
    for (const output of [`[${rows.join(',')}]`, rows.join(''), `[\n${rows.join(',\n')}\n]\n`]) {
      const { outcome, text } = settled(4, { output });
      expect(outcome).toMatchObject({ answered: 3, failed: 1, errors: { answer_unreadable: 1 } });
      expect(text).toContain(
        `"line":4,"id":"4","status":"answered","attempts":1,"batch_id":"batch_1","response":${body}`,
      );
    }
  });
});

describe('several rows for a line', () => {
  const [one, two] = [outputRow(1, { n: 1 }), outputRow(1, { n: 2 })];
  const [error, refusal] = [outputRow(1, failing('server_error'), 500), outputRow(1, failing('bad'), 400)];

  test.each<[title: string, raw: RawFiles, body: unknown]>([
    ['the first success wins', { output: one + two }, { n: 1 }],
    ['a success in the output wins over one in the errors', { output: two, errors: one }, { n: 2 }],
    ['a success wins over errors before it', { output: error + refusal + one }, { n: 1 }],
    ['a success wins over errors after it', { output: one + refusal + error }, { n: 1 }],
    ['a success in the output wins over an error row', { output: one, errors: refusal }, { n: 1 }],
    [
      'a success in the error file wins over an error in the output',
      { output: refusal, errors: two },
      { n: 2 },
    ],
  ])('%s', (_, raw, body) => {
    const { rows, outcome } = settled(1, raw);
    expect(rows).toMatchObject([{ status: 'answered', response: body, error: null }]);
    expect(outcome).toMatchObject({ answered: 1, failed: 0, again: [], errors: {} });
  });

  test('a repeated row is paid once', () => {
    const row = outputRow(1, answer);
    const { outcome } = settled(1, { output: row + row });
    expect(outcome).toMatchObject({ inputTokens: 5, outputTokens: 7 });
    expect(outcome).not.toHaveProperty('twice');
  });
});

describe('rows', () => {
  test('are in the order of lines, whatever the order of answers', () => {
    const output = [3, 1, 2].map((line) => outputRow(line, { line })).join('');
    const { rows } = settled(3, { output });
    expect(rows.map(({ line, response }) => [line, response])).toEqual([
      [1, { line: 1 }],
      [2, { line: 2 }],
      [3, { line: 3 }],
    ]);
  });

  test.each<[title: string, body: string]>([
    ['U+2028', '{"text":"a\u2028b\u2029c"}'],
    ['numbers beyond 2^53', '{"n":12345678901234567890,"x":1.0e0}'],
    ['duplicate keys and escapes', '{"a":1,"a":2,"b":"\\u00e9\\/"}'],
    ['white space', '{ "a" : [ 1 , 2 ] }'],
    ['more than 64 KiB', `{"text":"${'é🎉'.repeat(40_000)}"}`],
  ])('contain exactly the bytes of an answer with %s', (_, body) => {
    const output = `${outputRow(2, 'x')}{"custom_id":"1","error":null,"response":{"status_code":200,"body":${body}}}\n`;
    expect(settled(2, { output }, { attempts: 1 }).text).toContain(`"response":${body},"error":null`);
  });

  const exact = '{"n":9007199254740993,"x":1.0e0,"a":1,"a":2,"s":"\\ud800"}';
  test.each<[title: string, row: string]>([
    ['an empty error', `{"custom_id":"1","response":{"status_code":200,"body":${exact}},"error":{}}`],
    [
      'an error of nulls',
      `{"error":{"code":null,"message":""},"custom_id":"1","response":{"status_code":200,"body":${exact}}}`,
    ],
    ['a numeric id', `{"custom_id":1,"response":{"status_code":200,"body":${exact}}}`],
    ['another success', `{"custom_id":"1","response":{"status_code":201,"body":${exact}}}`],
    ['a status as text', `{"custom_id":"1","response":{"status_code":"200","body":${exact}}}`],
    ['no status', `{"custom_id":"1","response":{"body":${exact}}}`],
    ['white space', `  {\t"custom_id" : "1" , "response" : { "status_code" : 200 ,  "body" : ${exact} } }\r`],
    [
      'escaped keys',
      `{"cust\\u006fm_id":"\\u0031","r\\u0065sponse":{"status_c\\u006fde":200,"b\\u006fdy":${exact}}}`,
    ],
    ['a byte order mark', `\ufeff{"custom_id":"1","response":{"status_code":200,"body":${exact}}}`],
    [
      'keys given twice',
      `{"custom_id":"1","response":{"status_code":500,"body":{}},"response":{"status_code":200,"body":${exact}}}`,
    ],
    [
      'the body as a string',
      `{"custom_id":"1","response":{"status_code":200,"body":${JSON.stringify(exact)}}}`,
    ],
    [
      'the body as a string in a string',
      `{"custom_id":"1","response":{"status_code":200,"body":${JSON.stringify(JSON.stringify(exact))}}}`,
    ],
  ])('with %s contain exactly the bytes of the answer', (_, row) => {
    const { text, outcome } = settled(1, { output: `${row}\n` });
    expect(outcome.answered).toBe(1);
    expect(text).toContain(`"response":${exact},"error":null`);
  });

  test('of bodies that are pretty-printed in a string are one line each', () => {
    const pretty = JSON.stringify({ a: 'x\ny', n: [1, 2] }, null, 2);
    const { rows, text } = settled(2, { output: outputRow(1, pretty) + outputRow(2, answer) });
    expect(rows.map(({ response }) => response)).toEqual([{ a: 'x\ny', n: [1, 2] }, answer]);
    expect(text.split('\n')).toHaveLength(3);
  });

  test('contain exactly the bytes of answers in raw files that are not read into memory', () => {
    const body = (line: number): string => `{"line":${line},"text":"${'é'.repeat(100_000)}"}`;
    const lines = Array.from({ length: 70 }, (_, i) => i + 1);
    const output = lines
      .toReversed()
      .map((line) => `{"custom_id":"${line}","response":{"status_code":200,"body":${body(line)}}}\n`)
      .join('');
    expect(Buffer.byteLength(output)).toBeGreaterThan(12 << 20);
    const { text } = settled(lines.length, { output });
    const rows = text.split('\n');
    const wrong = lines.filter((line) => !rows[line - 1]!.includes(`"response":${body(line)},"error":null`));
    expect(wrong).toEqual([]);
  });

  test("have the user's id, or the number of the line when it has none", () => {
    const ids = ['plain', '日本語 🎉', 'a"b\\c\n\u2028', ''];
    const output = [1, 2, 3, 4, 5].map((line) => outputRow(line, answer)).join('');
    expect(settled(5, { output }, {}, ids).rows.map(({ id }) => id)).toEqual([...ids, '5']);
  });

  test('are complete', () => {
    const { rows } = settled(2, {
      output: outputRow(1, answer),
      errors: outputRow(2, failing('bad', 'Too long.'), 400),
    });
    expect(rows).toEqual([
      {
        line: 1,
        id: '1',
        status: 'answered',
        attempts: 1,
        batch_id: 'batch_1',
        response: answer,
        error: null,
        usage: { input_tokens: 5, output_tokens: 7 },
      },
      {
        line: 2,
        id: '2',
        status: 'failed',
        attempts: 1,
        batch_id: 'batch_1',
        response: null,
        error: { code: 'bad', message: 'Too long.' },
        usage: null,
      },
    ]);
  });

  test('count tokens as each endpoint names them', () => {
    const output =
      outputRow(1, {
        usage: { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 4 } },
      }) +
      outputRow(2, {
        usage: { input_tokens: 20, output_tokens: 2, input_tokens_details: { cached_tokens: 5 } },
      }) +
      outputRow(
        3,
        JSON.stringify({
          usage: { input_tokens: 30, output_tokens: 3, input_tokens_details: { cached_tokens: 6 } },
        }),
      ) +
      outputRow(4, { usage: { prompt_tokens: 40, total_tokens: 40 } }) +
      outputRow(5, { usage: null });
    expect(settled(5, { output }).outcome).toMatchObject({
      answered: 5,
      inputTokens: 100,
      outputTokens: 6,
      cachedTokens: 15,
    });
  });
});

describe('a failed batch', () => {
  const entry = (line: number | null, code: string): BatchErrorEntry => ({
    line,
    code,
    message: `${code}!`,
    param: null,
  });

  test('that names lines ends those, and the others are sent again without using an attempt', () => {
    const refused = [entry(2, 'invalid_url'), entry(9, 'out_of_range')];
    const { rows, outcome } = settled(3, {}, { status: 'failed', refused });
    expect(rows).toMatchObject([
      { line: 2, status: 'failed', error: { code: 'invalid_url', message: 'invalid_url!' } },
    ]);
    expect(outcome.again).toEqual([
      [1, 1, 0, 0],
      [3, 1, 0, 0],
    ]);
    expect(outcome.errors).toEqual({ invalid_url: 1, batch_failed: 2 });
    expect(outcome.refusal).toMatchObject({ named: 1 });
  });

  test('that names no line sends all lines again, and uses an attempt of lines that have one left', () => {
    const refused = [entry(null, 'who_knows')];
    const { rows, outcome } = settled(2, {}, { status: 'failed', refused });
    expect(rows).toEqual([]);
    expect(outcome.again).toEqual([
      [1, 1, 1],
      [2, 1, 1],
    ]);
    expect(outcome.refusal).toEqual({ code: 'who_knows', message: 'who_knows!', named: 0 });
    const last = settled(2, {}, { status: 'failed', refused, attempts: 1 });
    expect(last.outcome.again).toEqual([
      [1, 1, 0, 0],
      [2, 1, 0, 0],
    ]);
  });

  test('that has rows is not a refusal', () => {
    const raw = { output: outputRow(1, answer) };
    const { rows, outcome } = settled(2, raw, { status: 'failed', refused: [entry(null, 'server_error')] });
    expect(rows).toMatchObject([{ line: 1, status: 'answered' }]);
    expect(outcome).toMatchObject({ answered: 1, again: [[2, 1, 0]], errors: { batch_failed: 1 } });
    expect(outcome.refusal).toBeUndefined();
  });
});

describe('a batch that the API refuses as a whole, round after round', () => {
  /** Simulates rounds until no line is sent again; `refuse` returns the errors of a batch with these lines. */
  function play(
    count: number,
    refuse: (lines: readonly number[]) => BatchErrorEntry[] | null,
  ): { batches: number; rounds: number; ends: Map<string, number[]> } {
    using folder = new TempFolder();
    plan(folder.path, Array.from({ length: count }, (_, i) => requestLine(`line ${i}`)).join('\n'));
    const ends = new Map<string, number[]>();
    let batches = 0;
    let shards = 1;
    for (let round = 1; ; round += 1) {
      for (let index = 0; index < shards; index += 1) {
        const name = shardId(round, index);
        const refusal = folder.at(shardFiles.refused(JOB, name));
        if (existsSync(refusal)) {
          const { code, text } = JSON.parse(readFileSync(refusal, 'utf8')) as { code: string; text: string };
          const refused = { job: JOB, shard: name, halve: false, code, message: text };
          claimFirstOutcome(folder.path, name, refuseShard(folder.path, refused));
        } else {
          batches += 1;
          const { numbers } = new ShardLines(manifestOf(folder.path, name));
          const refused = refuse(Array.from(numbers));
          if (refused !== null) settle(folder.path, name, {}, { status: 'failed', refused });
          else
            settle(folder.path, name, { output: Array.from(numbers, (n) => outputRow(n, answer)).join('') });
        }
        for (const { line, status, error } of shardRows(folder.path, name)) {
          const end = error?.code ?? status;
          ends.set(end, [...(ends.get(end) ?? []), line]);
        }
      }
      const limits = { shardLines: 50_000, shardBytes: 190_000_000, cancelled: false };
      const next = packRetries(folder.path, { job: JOB, round, shards, ...limits });
      if (next.shards === 0) return { batches, rounds: round, ends };
      shards = next.shards;
    }
  }
  const unnamed: BatchErrorEntry[] = [{ code: 'bad_request', message: 'No.', param: null, line: null }];
  const lengths = (ends: Map<string, number[]>): Record<string, number> =>
    Object.fromEntries([...ends].map(([end, lines]) => [end, lines.length]));

  test('finds the bad lines when none is named, and answers all others', () => {
    const bad = new Set([7, 250, 251, 900]);
    const { ends, batches } = play(1_000, (lines) => (lines.some((line) => bad.has(line)) ? unnamed : null));
    expect(ends.get('bad_request')!.toSorted((a, b) => a - b)).toEqual([...bad]);
    expect(ends.get('answered')).toHaveLength(996);
    expect(batches).toBeLessThan(150);
  });

  test('ends after log2(lines) + 3 batches if every batch is refused: 19 for 50,000 lines', () => {
    const { ends, batches } = play(4_000, () => unnamed);
    expect(lengths(ends)).toEqual({ bad_request: 4_000 });
    expect(batches).toBeLessThanOrEqual(15);
  });

  test('a transient reason costs one more batch', () => {
    let times = 0;
    const { ends, batches } = play(100, () => ((times += 1) === 1 ? unnamed : null));
    expect(lengths(ends)).toEqual({ answered: 100 });
    expect(batches).toBe(2);
  });

  test('a single line is sent twice', () => {
    const { ends, batches } = play(1, () => unnamed);
    expect(lengths(ends)).toEqual({ bad_request: 1 });
    expect(batches).toBe(2);
  });

  test('does not end lines early when lines are named, however few at a time', () => {
    const isBad = (line: number): boolean => line <= 2_500;
    const { ends, rounds } = play(3_000, (lines) => {
      const bad = lines.flatMap((line, i) => (isBad(line) ? [i + 1] : []));
      if (bad.length === 0) return null;
      return bad.slice(0, 20).map((line) => ({ code: 'invalid_type', message: 'Bad.', param: null, line }));
    });
    expect(lengths(ends)).toEqual({ invalid_type: 2_500, answered: 500 });
    expect(rounds).toBeLessThan(40);
  });
});

describe('a file that should exist is missing', () => {
  const ask = (folder: string, raw: RawFiles): unknown => {
    const put = (key: string, text: string | Uint8Array | undefined): boolean => {
      if (text === undefined) return false;
      writeFileSync(join(folder, key), text);
      return true;
    };
    return settleShard(folder, {
      job: JOB,
      shard,
      batch: 1,
      batchId: 'batch_1',
      status: 'completed',
      hasOutput: put(shardFiles.output(JOB, shard, 1), raw.output),
      hasErrors: put(shardFiles.errors(JOB, shard, 1), raw.errors),
      refused: [],
      missing: 'ask',
      attempts: 3,
    });
  };

  test.each<[title: string, raw: RawFiles, answer: unknown]>([
    ['no file', {}, { missing: 2, outputRead: false, errorsRead: false }],
    ['an empty file', { output: '' }, { missing: 2, outputRead: false, errorsRead: false }],
    [
      'an error for a file',
      { output: '{"error":{"code":"x"}}' },
      { missing: 2, outputRead: false, errorsRead: false },
    ],
    ['a list for a file', { output: '[]' }, { missing: 2, outputRead: false, errorsRead: false }],
    [
      'rows of other lines',
      { output: outputRow(3, answer) },
      { missing: 2, outputRead: false, errorsRead: false },
    ],
    [
      'a row of one line',
      { output: outputRow(1, answer) },
      { missing: 1, outputRead: true, errorsRead: false },
    ],
    [
      'an error row of one line',
      { errors: outputRow(1, null, 500) },
      { missing: 1, outputRead: false, errorsRead: true },
    ],
  ])('`ask` returns what was read of %s, and writes nothing', (_, raw, found) => {
    using folder = new TempFolder();
    plan(folder.path, `${requestLine('a')}\n${requestLine('b')}`);
    expect(ask(folder.path, raw)).toEqual(found);
    const names = readdirSync(folder.at('jobs', JOB, 'shards', shard));
    expect(names.filter((name) => /^(rows|outcome)/.test(name))).toEqual([]);
    const output = outputRow(1, answer) + outputRow(2, answer);
    expect(ask(folder.path, { output })).toMatchObject({ answered: 2 });
  });

  test('lines that a cancel ended are not counted as errors', () => {
    const { outcome, rows } = settled(
      2,
      { output: outputRow(1, answer) },
      { status: 'cancelled', missing: 'cancelled' },
    );
    expect(outcome).toMatchObject({ answered: 1, failed: 0, again: [], errors: {} });
    expect(rows[1]).toMatchObject({
      line: 2,
      status: 'cancelled',
      attempts: 1,
      batch_id: 'batch_1',
      error: { code: 'cancelled' },
    });
  });
});

describe('tries', () => {
  /** Settles the same line with this end of its batch, round after round, until the line ends; returns how often it was sent. */
  function sends(folder: string, ended: Partial<EndedShard>): { sent: number; row: Row } {
    for (let round = 1; ; round += 1) {
      const name = `r${round}-00001`;
      settle(folder, name, {}, ended);
      const next = packRetries(folder, {
        job: JOB,
        round,
        shards: 1,
        shardLines: 10,
        shardBytes: 1_000,
        cancelled: false,
      });
      if (next.shards === 0) return { sent: round, row: shardRows(folder, name)[0]! };
    }
  }

  test.each([1, 2, 5])('end with the last error after %i attempts', (attempts) => {
    using folder = new TempFolder();
    plan(folder.path, requestLine('a', { custom_id: 'ä' }));
    expect(sends(folder.path, { attempts })).toMatchObject({
      sent: attempts,
      row: { id: 'ä', status: 'failed', attempts, error: { code: 'missing_row' } },
    });
  });

  test('for which the account was refused do not count against any limit', () => {
    using folder = new TempFolder();
    plan(folder.path, requestLine('a'));
    for (let round = 1; round <= 25; round += 1) {
      const name = `r${round}-00001`;
      const outcome = settle(folder.path, name, {
        errors: outputRow(1, failing('insufficient_quota'), 429),
      });
      expect(outcome).toMatchObject({ failed: 0, again: [[1, round, 0, 0]] });
      packRetries(folder.path, {
        job: JOB,
        round,
        shards: 1,
        shardLines: 10,
        shardBytes: 1_000,
        cancelled: false,
      });
    }
    settle(folder.path, 'r26-00001', { output: outputRow(1, answer) });
    expect(shardRows(folder.path, 'r26-00001')).toMatchObject([{ status: 'answered', attempts: 26 }]);
  });

  test('that never ran are free, up to a limit', () => {
    using folder = new TempFolder();
    plan(folder.path, requestLine('a'));
    expect(sends(folder.path, { attempts: 1, status: 'expired' })).toMatchObject({
      sent: 20,
      row: { status: 'failed', attempts: 20, error: { code: 'batch_expired' } },
    });
  });
});

test('a cancel ends every line of a shard that was never sent', () => {
  using folder = new TempFolder();
  plan(folder.path, `${requestLine('a', { custom_id: 'é' })}\n${requestLine('b')}`);
  const outcome = cancelShard(folder.path, { job: JOB, shard });
  expect(outcome).toMatchObject({ answered: 0, failed: 0, again: [], errors: {} });
  claimFirstOutcome(folder.path, shard, outcome);
  expect(shardRows(folder.path, shard)).toMatchObject([
    { line: 1, id: 'é', status: 'cancelled', attempts: 0, batch_id: null, error: { code: 'cancelled' } },
    { line: 2, id: '2', status: 'cancelled', attempts: 0 },
  ]);
});

test('a custom rule decides what rows mean', () => {
  using folder = new TempFolder();
  plan(folder.path, [requestLine('a'), requestLine('b'), requestLine('c')].join('\n'));
  const output = [1, 2, 3].map((n) => outputRow(n, { ...answer, n })).join('');
  writeFileSync(folder.at(shardFiles.output(JOB, shard, 1)), output);
  const bodies: string[] = [];
  const rule: RowRule = (row) => {
    bodies.push(row.source.toString('utf8', row.bodyStart, row.bodyEnd));
    return [RowMeaning.Answered, RowMeaning.Retry, RowMeaning.Failed][row.line! - 1]!;
  };
  const ended = { job: JOB, shard, batch: 1, batchId: 'batch_1', status: 'completed' } as const;
  const files = { hasOutput: true, hasErrors: false, refused: [], missing: 'retry', attempts: 3 } as const;
  const outcome = settleShard(folder.path, { ...ended, ...files }, rule);
  expect(outcome).toMatchObject({ answered: 1, failed: 1, again: [[2, 1, 1]] });
  expect(bodies.map((body) => (JSON.parse(body) as { n: number }).n)).toEqual([1, 2, 3]);
});

describe('packRetries', () => {
  const round = { job: JOB, round: 1, shardLines: 2, shardBytes: 100_000, cancelled: false };

  test('packs the exact bytes of lines that are sent again, with ids and history', () => {
    using folder = new TempFolder();
    const lines = [1, 2, 3, 4, 5, 6].map((n) => requestLine(`é${n}`, n === 5 ? { custom_id: 'five' } : {}));
    const { shards } = plan(folder.path, lines.join('\n'), { shardLines: 3 });
    settle(folder.path, 'r1-00001', {
      output: outputRow(2, answer),
      errors: neverRanRow(3, 'batch_expired'),
    });
    settle(folder.path, 'r1-00002', { output: outputRow(4, answer) });
    const next = packRetries(folder.path, { ...round, shards });
    expect(next).toEqual({ shards: 2, lines: 4, shardLines: [2, 2], rejected: 0 });
    expect(manifestOf(folder.path, 'r2-00001')).toMatchObject({
      ranges: [
        [1, 1],
        [3, 3],
      ],
      carried: [
        [1, 1, 1],
        [3, 1, 0],
      ],
      hasIds: false,
    });
    const sent = requestsOf(folder.path, 'r1-00001').split('\n');
    expect(requestsOf(folder.path, 'r2-00001')).toBe(`${sent[0]}\n${sent[2]}\n`);
    expect(manifestOf(folder.path, 'r2-00002')).toMatchObject({ ranges: [[5, 6]], hasIds: true });
    settle(folder.path, 'r2-00002', { output: outputRow(5, answer) + outputRow(6, answer) });
    expect(shardRows(folder.path, 'r2-00002')).toMatchObject([
      { line: 5, id: 'five', attempts: 2 },
      { line: 6, id: '6', attempts: 2 },
    ]);
    expect(packRetries(folder.path, { ...round, shards })).toEqual(next);
  });

  test('separates models and counts embedding inputs', () => {
    using folder = new TempFolder();
    const embedding = (model: string): string =>
      JSON.stringify({ body: { model, input: Array.from({ length: 2_000 }, () => 'x') } });
    const lines = Array.from({ length: 52 }, (_, i) =>
      embedding(i % 2 === 0 ? 'embedding-a' : 'embedding-b'),
    );
    const { shards } = plan(folder.path, lines.join('\n'));
    expect(shards).toBe(4);
    for (let i = 1; i <= shards; i += 1) settle(folder.path, `r1-0000${i}`, {});
    const next = packRetries(folder.path, { ...round, shards, shardLines: 50_000, shardBytes: 190_000_000 });
    expect(next.shardLines.toSorted((a, b) => a - b)).toEqual([1, 1, 25, 25]);
  });

  test('has nothing to pack when all lines have ended', () => {
    using folder = new TempFolder();
    plan(folder.path, requestLine('a'));
    settle(folder.path, shard, { output: outputRow(1, answer) });
    expect(packRetries(folder.path, { ...round, shards: 1 })).toMatchObject({ shards: 0, lines: 0 });
  });

  test('refuses a shard without an outcome, unless the job was cancelled', () => {
    using folder = new TempFolder();
    plan(folder.path, requestLine('a'));
    expect(() => packRetries(folder.path, { ...round, shards: 1 })).toThrow(/no outcome yet/);
    expect(packRetries(folder.path, { ...round, shards: 1, cancelled: true })).toMatchObject({ shards: 0 });
    expect(existsSync(folder.at('jobs', JOB, 'shards', 'r2-00001'))).toBe(false);
  });
});

describe('errors of a shard', () => {
  test('are listed with the first lines that had them, whatever the order of the rows', () => {
    const numbers = [9, 3, 7, 1, 5, 8, 2];
    const { outcome } = settled(10, {
      errors: numbers.map((line) => outputRow(line, failing('invalid_prompt'), 400)).join(''),
    });
    expect(outcome.examples).toEqual({ invalid_prompt: [1, 2, 3, 5, 7], missing_row: [4, 6, 10] });
    expect(outcome.errors).toEqual({ invalid_prompt: 7, missing_row: 3 });
  });

  test('may have the names of properties of `Object.prototype`', () => {
    const { outcome } = settled(3, {
      errors: outputRow(1, failing('constructor'), 400) + outputRow(2, failing('__proto__'), 400),
    });
    expect(Object.entries(outcome.errors)).toEqual([
      ['constructor', 1],
      ['__proto__', 1],
      ['missing_row', 1],
    ]);
    expect(Object.entries(outcome.examples!).map(([, lines]) => lines)).toEqual([[1], [2], [3]]);
  });
});

describe('a duplicate of the shard’s batch', () => {
  const duplicate = { id: 'duplicate', usage: { prompt_tokens: 50, completion_tokens: 70 } };

  test('answers lines that have no answer, under its own id; its other answers are counted', () => {
    const { outcome, rows } = settled(4, {
      output: outputRow(1, answer),
      errors: neverRanRow(2, 'batch_expired') + outputRow(3, failing('invalid_prompt'), 400),
      duplicates: { batch_2: outputRow(1, duplicate) + outputRow(2, duplicate) + outputRow(3, duplicate) },
    });
    expect(outcome).toEqual({
      rows: expect.any(String),
      answered: 3,
      failed: 0,
      again: [[4, 1, 1]],
      inputTokens: 105,
      cachedTokens: 0,
      outputTokens: 147,
      errors: { missing_row: 1 },
      examples: { missing_row: [4] },
      twice: { answers: 1, inputTokens: 50, cachedTokens: 0, outputTokens: 70 },
    });
    expect(rows.map(({ line, batch_id, response }) => [line, batch_id, response])).toEqual([
      [1, 'batch_1', answer],
      [2, 'batch_2', duplicate],
      [3, 'batch_2', duplicate],
    ]);
  });

  test('changes nothing with rows that are not answers', () => {
    const { outcome } = settled(2, {
      output: outputRow(1, answer),
      errors: outputRow(2, failing('invalid_prompt'), 400),
      duplicates: { batch_2: neverRanRow(1, 'batch_cancelled') + neverRanRow(2, 'batch_cancelled') },
    });
    expect(outcome).toMatchObject({ answered: 1, failed: 1, again: [] });
    expect(outcome.twice).toBeUndefined();
  });

  test('has its answers counted when none can be used', () => {
    using folder = new TempFolder();
    plan(folder.path, `${requestLine('a')}\n${requestLine('b')}`);
    writeFileSync(
      folder.at('late.jsonl'),
      outputRow(1, duplicate) + neverRanRow(2, 'batch_cancelled') + outputRow(9, duplicate),
    );
    expect(countAnswers(folder.path, { job: JOB, shard, output: 'late.jsonl' })).toEqual({
      answers: 1,
      inputTokens: 50,
      cachedTokens: 0,
      outputTokens: 70,
    });
  });
});
