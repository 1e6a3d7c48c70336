import { expect, test } from 'vitest';
import { meaningOf } from '../../../../src/openai/rows/row-meaning.ts';

const row = { statusCode: 200, errorCode: null, errorMessage: null, bodyIsAnswer: false, isReadable: true };

test.each<[status: number, meaning: string]>([
  [400, 'failed'],
  [401, 'account_refused'],
  [402, 'account_refused'],
  [403, 'failed'],
  [404, 'failed'],
  [422, 'failed'],
  [408, 'retry'],
  [409, 'retry'],
  [429, 'retry'],
  [500, 'retry'],
  [503, 'retry'],
  [599, 'retry'],
  [0, 'retry'],
  [102, 'retry'],
  [301, 'retry'],
])('status %i means %s', (statusCode, meaning) => {
  expect(meaningOf({ ...row, statusCode })).toBe(meaning);
  expect(meaningOf({ ...row, statusCode, bodyIsAnswer: true })).toBe(meaning);
});

test.each<[code: string, meaning: string]>([
  ['batch_expired', 'retry_free'],
  ['batch_cancelled', 'retry_free'],
  ['request_timeout', 'retry'],
  ['anything_else', 'retry'],
])('a request that never ran because of %s means %s', (errorCode, meaning) => {
  expect(meaningOf({ ...row, statusCode: null, errorCode })).toBe(meaning);
});

test.each([
  'context_length_exceeded',
  'invalid_prompt',
  'invalid_request_error',
  'invalid_image',
  'model_not_found',
])('%s inside a success is not retried', (errorCode) => {
  expect(meaningOf({ ...row, errorCode })).toBe('failed');
});

test('a success without an answer was paid and is never bought again, one with an answer has ended', () => {
  expect(meaningOf(row)).toBe('unreadable');
  expect(meaningOf({ ...row, errorCode: 'server_error' })).toBe('retry');
  expect(meaningOf({ ...row, bodyIsAnswer: true })).toBe('answered');
  expect(meaningOf({ ...row, statusCode: null, isReadable: false })).toBe('unreadable');
});

test.each<[status: number | null, code: string, meaning: string]>([
  [429, 'insufficient_quota', 'account_refused'],
  [429, 'rate_limit_exceeded', 'retry'],
  [400, 'billing_hard_limit_reached', 'account_refused'],
  [403, 'billing_not_active', 'account_refused'],
  [200, 'insufficient_quota', 'account_refused'],
  [null, 'insufficient_quota', 'account_refused'],
  [401, 'invalid_api_key', 'account_refused'],
  [402, 'payment_required', 'account_refused'],
  [401, 'model_not_found', 'failed'],
  [403, 'model_not_found', 'failed'],
  [403, 'permission_denied', 'failed'],
  [404, 'model_not_found', 'failed'],
])('status %s with %s means %s', (statusCode, errorCode, meaning) => {
  expect(meaningOf({ ...row, statusCode, errorCode })).toBe(meaning);
});
