import { expect, test } from 'vitest';
import type { BatchErrorEntry } from '../../../src/core/batch-status.ts';
import { refusalOf, statedTokenLimit } from '../../../src/openai/batch-refusal.ts';

const entry = (code: string, message = '', line: number | null = null): BatchErrorEntry => ({
  code,
  message,
  line,
  param: null,
});

test.each<[refusal: string | null, title: string, entries: BatchErrorEntry[]]>([
  [null, 'no reasons', []],
  ['token_limit', 'token_limit_exceeded', [entry('token_limit_exceeded')]],
  [
    'token_limit',
    'its message',
    [entry('unknown', 'Enqueued token limit reached for gpt-4o in organization org-1.')],
  ],
  ['billing', 'billing_hard_limit_reached', [entry('billing_hard_limit_reached')]],
  ['billing', 'insufficient_quota', [entry('insufficient_quota')]],
  ['billing', 'the message of the limit', [entry('unknown', 'Billing hard limit has been reached.')]],
  [
    'file_not_found',
    'a file that cannot be found',
    [entry('invalid', 'Cannot find file file-1, or organization org-1 lacks access.')],
  ],
  ['file_not_found', 'file_not_found', [entry('file_not_found')]],
  [null, 'a line that asks for a file', [entry('file_not_found', 'Cannot find file x', 3)]],
  [null, 'a bad line', [entry('invalid_json_line', 'not JSON', 1)]],
  [null, 'a bad line whose message quotes this text', [entry('x', 'Bad: "enqueued token"', 2)]],
  [null, 'a bad line that quotes the limit', [entry('x', 'Bad: "billing hard limit"', 2)]],
  [null, 'a model of no batch', [entry('model_not_found')]],
  ['token_limit', 'a decisive reason after others', [entry('x', '', 1), entry('token_limit_exceeded')]],
])('%s after %s', (refusal, _, entries) => {
  expect(refusalOf(entries)).toBe(refusal);
});

test('the limit that a refusal states', () => {
  const of = (message: string, line: number | null = null): number | null =>
    statedTokenLimit([{ code: 'token_limit_exceeded', message, param: null, line }]);
  // openai-python#2084
  const said =
    'Enqueued token limit reached for gpt-4o in organization org-1. Limit: 2,000,000 enqueued tokens. Please try again once';
  expect(of(said)).toBe(2_000_000);
  expect(of('Limit: 90000 enqueued tokens')).toBe(90_000);
  expect(of('Limit: 0 enqueued tokens')).toBe(null);
  expect(of('The number of enqueued tokens has surpassed the configured limit of 30K')).toBe(null);
  expect(of(said, 3)).toBe(null); // a message about a line may quote its prompt
});
