/** Shards of a job whose answers have a schema, from their raw files to the requests of the next round. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { shardId, type RoundPlan, type ShardOutcome } from '../../../../src/core/shard-plan.ts';
import { indexAnswers } from '../../../../src/file-work/earlier/index-answers.ts';
import { mergeRows } from '../../../../src/file-work/rows/merge-rows.ts';
import { packRebuys } from '../../../../src/file-work/shards/pack-rebuys.ts';
import { packRetries } from '../../../../src/file-work/shards/pack-retries.ts';
import { publishedRates } from '../../../../src/prices/published-prices.ts';
import { jobFiles, shardFiles } from '../../../../src/store/job-files.ts';
import { answerBody, answerRow, check, settleAnswers, type Verdict } from '../../../support/answer-job.ts';
import {
  JOB,
  manifestOf,
  neverRanRow,
  outputRow,
  plan,
  requestLine,
  requestsOf,
  settle,
  shardRows,
  type Row,
} from '../../../support/file-job.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const shard = 'r1-00001';
const inputOf = (lines: number): string =>
  Array.from({ length: lines }, (_, i) => requestLine(`text ${i + 1}`)).join('\n');
const error500 = (line: number): string => outputRow(line, { error: { code: 'server_error' } }, 500);

/** Packs the lines of a round that are sent again. */
function next(folder: string, round: number, shards: number, shardBytes = 100_000): RoundPlan {
  const limits = { shardLines: 100, shardBytes };
  const packed = packRetries(folder, { job: JOB, round, shards, ...limits, cancelled: false });
  writeRound(folder, round + 1, packed);
  return packed;
}

function writeRound(folder: string, number: number, round: RoundPlan): void {
  const path = join(folder, jobFiles.round(JOB, number));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(round));
}

/** The messages of the only request of a shard. */
function messagesOf(folder: string, id: string): unknown {
  const { body } = JSON.parse(requestsOf(folder, id)) as { body: { messages?: unknown; input?: unknown } };
  return body.messages ?? body.input;
}

describe('a wrong answer', () => {
  test.each<[verdict: Verdict, code: string]>([
    ['misfit', 'answer_invalid'],
    ['prose', 'answer_invalid'],
    ['refused', 'answer_refused'],
    ['cut', 'answer_cut'],
  ])('%s is requested again, and the second one ends the line with %s and its answer', (verdict, code) => {
    for (const endpoint of ['chat', 'responses'] as const) {
      using folder = new TempFolder();
      plan(folder.path, inputOf(1));
      const first = settleAnswers(folder.path, shard, { output: answerRow(1, verdict, endpoint) });
      expect(first).toMatchObject({
        answered: 0,
        failed: 0,
        again: [[1, 1, 0, 0, 1]],
        errors: { [code]: 1 },
      });
      expect(first).toMatchObject({ inputTokens: 10, outputTokens: 3 });
      expect(first.hasFeedback).toBeUndefined();
      next(folder.path, 1, 1);
      expect(requestsOf(folder.path, 'r2-00001')).toBe(requestsOf(folder.path, shard));
      const second = settleAnswers(folder.path, 'r2-00001', { output: answerRow(1, verdict, endpoint) });
      expect(second).toMatchObject({ answered: 0, failed: 1, again: [], errors: { [code]: 1 } });
      expect(shardRows(folder.path, 'r2-00001')).toEqual([
        {
          line: 1,
          id: '1',
          status: 'failed',
          attempts: 2,
          batch_id: 'batch_1',
          response: answerBody(verdict, endpoint),
          error: { code, message: expect.stringMatching(/^The (answer|model) .*\.$/) as string },
          usage: { input_tokens: 10, output_tokens: 3 },
        } satisfies Row,
      ]);
    }
  });

  test('uses no attempt, and attempts use no answer', () => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(1));
    const limits = { attempts: 2, answer: { ...check, attempts: 3 } };
    const outcomes: ShardOutcome[] = [];
    const rows = [answerRow(1, 'prose'), error500(1), neverRanRow(1, 'batch_expired'), answerRow(1, 'cut')];
    for (const [i, output] of [...rows, answerRow(1, 'misfit')].entries()) {
      outcomes.push(settleAnswers(folder.path, shardId(i + 1, 0), { output }, limits));
      next(folder.path, i + 1, 1);
    }
    expect(outcomes.map(({ again }) => again[0])).toEqual([
      [1, 1, 0, 0, 1],
      [1, 2, 1, 0, 1],
      [1, 3, 1, 1, 1],
      [1, 4, 1, 1, 2],
      undefined,
    ]);
    expect(shardRows(folder.path, 'r5-00001')).toMatchObject([
      { status: 'failed', attempts: 5, error: { code: 'answer_invalid' } },
    ]);
  });

  test('is one of the lines of a partial output; a right one is the answer, also after the end of its tokens', () => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(4));
    const cutLate = answerBody('right') as { choices: { finish_reason: string }[] };
    cutLate.choices[0]!.finish_reason = 'length';
    const outcome = settleAnswers(
      folder.path,
      shard,
      {
        output: answerRow(1, 'right') + answerRow(2, 'cut') + outputRow(3, cutLate),
        errors: neverRanRow(4, 'batch_expired'),
      },
      { status: 'expired' },
    );
    expect(outcome).toMatchObject({ answered: 2, failed: 0, errors: { answer_cut: 1, batch_expired: 1 } });
    expect(outcome.again).toEqual([
      [2, 1, 0, 0, 1],
      [4, 1, 0],
    ]);
    expect(outcome).toMatchObject({ inputTokens: 30, outputTokens: 9 });
  });

  test('without tokens has an unknown cost, as a right one has', () => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(2));
    const { usage: _, ...body } = answerBody('prose') as { usage: unknown };
    const output = outputRow(1, body) + answerRow(2, 'prose');
    expect(
      settleAnswers(folder.path, shard, { output }, { rates: publishedRates('gpt-5-mini') }),
    ).toMatchObject({
      unpriced: 1,
    });
  });
});

describe('several rows for a line with a wrong answer', () => {
  const [wrong, right] = [answerRow(1, 'misfit'), answerRow(1, 'right')];
  const again = { answered: 0, failed: 0, again: [[1, 1, 0, 0, 1]] };
  const refusal = outputRow(1, { error: { code: 'bad' } }, 400);
  const broken = '{"custom_id":"1","resp\n';

  test.each<
    [what: string, raw: Parameters<typeof settleAnswers>[2], end: object, tokens: number, twice: number]
  >([
    ['repeated', { output: wrong + wrong }, again, 10, 0],
    ['with a right one in the same file', { output: wrong + right }, { answered: 1, errors: {} }, 10, 0],
    ['with a right one before it', { output: right + wrong }, { answered: 1, errors: {} }, 10, 0],
    ['with an error', { output: wrong, errors: error500(1) + refusal }, again, 10, 0],
    ['with an error before it', { output: refusal + wrong }, again, 10, 0],
    ['with a row that cannot be read', { output: wrong + broken }, again, 10, 0],
    ['with a right one of a duplicate', { output: wrong, duplicates: { d: right } }, { answered: 1 }, 20, 0],
    ['of a duplicate alone', { output: '', duplicates: { d: wrong } }, again, 10, 0],
    ['of a duplicate, beside an error', { output: error500(1), duplicates: { d: wrong } }, again, 10, 0],
    [
      'of a duplicate, beside a right one',
      { output: right, duplicates: { d: wrong } },
      { answered: 1 },
      10,
      1,
    ],
    [
      'of a duplicate, beside a final error',
      { output: refusal, duplicates: { d: wrong } },
      { failed: 1 },
      0,
      1,
    ],
    ['of a duplicate and its twin', { output: wrong, duplicates: { d: wrong } }, again, 10, 1],
    ['with an unreadable one of a duplicate', { output: wrong, duplicates: { d: broken } }, again, 10, 0],
  ])('%s', (_, raw, end, tokens, twice) => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(1));
    const outcome = settleAnswers(folder.path, shard, raw);
    expect(outcome).toMatchObject(end);
    expect(outcome.inputTokens).toBe(tokens);
    expect(outcome.twice?.answers ?? 0).toBe(twice);
  });

  test.each<[what: string, raw: Parameters<typeof settleAnswers>[2]]>([
    ['in the same file', { output: wrapped(1) + right }],
    ['of a duplicate', { output: wrapped(1), duplicates: { d: right } }],
    [
      'of a duplicate, beside others that stay wrong',
      { output: wrapped(1) + wrapped(2), duplicates: { d: right } },
    ],
  ])('a right one %s takes the place of one that had to be unwrapped', (_, raw) => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(2));
    settleAnswers(folder.path, shard, raw);
    expect(shardRows(folder.path, shard)[0]).toMatchObject({ line: 1, response: answerBody('right') });
  });

  /** The wrong answer of a line whose body is JSON in a string. */
  function wrapped(line: number): string {
    return outputRow(line, JSON.stringify(answerBody('misfit')));
  }

  test('a line is asked for again while the output of a duplicate that may be right is lost', () => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(1));
    const lost = { lostDuplicate: true, missing: 'ask' } as const;
    expect(() => settleAnswers(folder.path, shard, { output: wrong }, lost)).toThrow('It was not settled.');
    expect(settleAnswers(folder.path, shard, { output: wrong }, { lostDuplicate: true })).toMatchObject(
      again,
    );
  });

  test('a wrong answer after a cancel is the last one, and kept', () => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(1));
    expect(settleAnswers(folder.path, shard, { output: wrong }, { cancelled: true })).toMatchObject({
      failed: 1,
      again: [],
    });
    expect(shardRows(folder.path, shard)).toMatchObject([
      { status: 'failed', response: answerBody('misfit') },
    ]);
  });

  test('the row of a failed line has the answer of the duplicate that gave it', () => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(1));
    const once = { answer: { ...check, attempts: 1 } };
    settleAnswers(folder.path, shard, { output: '', duplicates: { dup: wrong } }, once);
    expect(shardRows(folder.path, shard)).toMatchObject([
      { status: 'failed', batch_id: 'dup', response: answerBody('misfit') },
    ]);
  });
});

describe('feedback', () => {
  const tell = { answer: { ...check, attempts: 4, tellErrors: true } } as const;
  const user = (content: string): object => ({ role: 'user', content });
  const problem =
    'The answer does not fit the schema: /label must be equal to one of the allowed values. Answer again.';

  test('what was wrong with its last answer, in place of an earlier one; a refusal and a failure change nothing', () => {
    using folder = new TempFolder();
    writeRound(folder.path, 1, plan(folder.path, inputOf(1)));
    const sent = requestsOf(folder.path, shard);
    const first = user('text 1');
    const misfit = { role: 'assistant', content: '{"label":"so \u2028 so"}' };
    const cut = { role: 'assistant', content: '{"lab' };
    const cutProblem = 'The answer was cut at the limit of output tokens. Answer again, and more briefly.';
    const steps: [row: string, messages: unknown[]][] = [
      [answerRow(1, 'misfit'), [first, misfit, user(problem)]],
      [error500(1), [first, misfit, user(problem)]],
      [answerRow(1, 'refused'), [first, misfit, user(problem)]],
      [answerRow(1, 'cut'), [first, cut, user(cutProblem)]],
    ];
    for (const [i, [output, messages]] of steps.entries()) {
      const outcome = settleAnswers(folder.path, shardId(i + 1, 0), { output }, tell);
      expect(outcome.hasFeedback).toBe([0, 3].includes(i) ? true : undefined);
      next(folder.path, i + 1, 1);
      expect(messagesOf(folder.path, shardId(i + 2, 0))).toEqual(messages);
    }
    expect(requestsOf(folder.path, 'r5-00001')).not.toContain('\u2028');
    // The first request is the one that later jobs look for, and that another pass begins with.
    settleAnswers(folder.path, 'r5-00001', { output: answerRow(1, 'prose') }, tell);
    const limits = { shardLines: 10, shardBytes: 100_000 };
    packRebuys(folder.path, { job: JOB, round: 5, ...limits, which: 'unanswered' });
    expect(requestsOf(folder.path, 'r6-00001')).toBe(sent);
    expect(manifestOf(folder.path, 'r6-00001')).toMatchObject({ carried: [[1, 5, 0, 0]] });
    expect(manifestOf(folder.path, 'r6-00001').feedback).toBeUndefined();
  });

  test.each<[what: string, input: unknown, first: unknown[]]>([
    ['a text', 'text é', [user('text é')]],
    ['messages', [user('text é')], [user('text é')]],
  ])('in the form of responses, whose input is %s; other bytes stay', (_, input, first) => {
    using folder = new TempFolder();
    const body = { model: 'gpt-5-mini', input, text: { format: { input: '"input":"x"' } } };
    plan(
      folder.path,
      `{"body":${JSON.stringify(body).replace(/\}$/, ', "n" : 1e2}')},"url":"/v1/responses"}`,
    );
    settleAnswers(folder.path, shard, { output: answerRow(1, 'prose', 'responses') }, tell);
    next(folder.path, 1, 1);
    const prose = { role: 'assistant', content: 'Good, I think.' };
    const feedback = [...first, prose, user('The answer is not JSON. Answer again.')];
    expect(messagesOf(folder.path, 'r2-00001')).toEqual(feedback);
    const [before, after] = [requestsOf(folder.path, shard), requestsOf(folder.path, 'r2-00001')];
    expect(after.replace(JSON.stringify(feedback), JSON.stringify(input))).toBe(before);
    packRetriesAfter(folder.path, 2);
    expect(requestsOf(folder.path, 'r3-00001')).toBe(after);
  });

  /** Sends the lines of a round again that had no row. */
  function packRetriesAfter(folder: string, round: number): void {
    settle(folder, shardId(round, 0), { output: '' });
    next(folder, round, 1);
  }

  test('of an empty answer by a message alone, and of no answer that is too long for a batch', () => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(2));
    const choice = { message: { content: '' }, finish_reason: 'length' };
    const output = outputRow(1, { choices: [choice] }) + answerRow(2, 'prose');
    settleAnswers(folder.path, shard, { output }, tell);
    const feedback = packed(folder.path, 100_000);
    expect(feedback[0]!.body.messages).toHaveLength(2);
    expect(feedback[1]!.body.messages).toHaveLength(3);
    const sent = requestsOf(folder.path, shard).split('\n')[1]!;
    expect(packed(folder.path, sent.length + 10)[1]!.body.messages).toHaveLength(1);
  });

  test('of no request that would be longer than what the server has accepted', () => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(1));
    settleAnswers(folder.path, shard, { output: answerRow(1, 'prose') }, tell);
    const manifest = { ...manifestOf(folder.path, shard), maxBytes: 200 };
    writeFileSync(folder.at(shardFiles.manifest(JOB, shard)), JSON.stringify(manifest));
    expect(packed(folder.path, 100_000)[0]!.body.messages).toHaveLength(1);
  });

  test('of an answer with half of a surrogate pair, which UTF-8 cannot have', () => {
    using folder = new TempFolder();
    plan(folder.path, inputOf(1));
    const choice = { message: { content: 'half \ud83d' }, finish_reason: 'stop' };
    settleAnswers(folder.path, shard, { output: outputRow(1, { choices: [choice] }) }, tell);
    expect(packed(folder.path, 100_000)[0]!.body.messages[1]).toMatchObject({ content: 'half \ufffd' });
  });

  function packed(folder: string, shardBytes: number): { body: { messages: unknown[] } }[] {
    const { shards } = next(folder, 1, 1, shardBytes);
    return Array.from({ length: shards }, (_, i) => requestsOf(folder, shardId(2, i)))
      .join('')
      .split('\n')
      .slice(0, -1)
      .map((text) => JSON.parse(text) as { body: { messages: unknown[] } });
  }

  test('and its answer is found by the first request', () => {
    const keys = [false, true].map((tellErrors) => {
      using folder = new TempFolder();
      writeRound(folder.path, 1, plan(folder.path, inputOf(1)));
      const answer = { ...check, ...(tellErrors ? { tellErrors } : {}) };
      settleAnswers(folder.path, shard, { output: answerRow(1, 'prose') }, { answer });
      next(folder.path, 1, 1);
      settleAnswers(folder.path, 'r2-00001', { output: answerRow(1, 'right') }, { answer });
      expect(indexAnswers(folder.path, { job: JOB, rounds: 2, target: 'index' })).toBe(1);
      return readFileSync(folder.at('index')).subarray(0, 16).toString('hex');
    });
    expect(keys[0]).toBe(keys[1]);
  });
});

test('a merge names failed lines that have an answer', () => {
  using folder = new TempFolder();
  plan(folder.path, inputOf(3));
  const output = answerRow(1, 'right') + answerRow(2, 'misfit') + answerRow(3, 'refused');
  const { rows } = settleAnswers(folder.path, shard, { output }, { answer: { ...check, attempts: 1 } });
  const files = [shardFiles.rows(JOB, shard, rows)];
  expect(mergeRows(folder.path, { files, target: 'results', examples: 5 })).toEqual({
    rows: 3,
    failed: [
      { line: 2, code: 'answer_invalid' },
      { line: 3, code: 'answer_refused' },
    ],
  });
});
