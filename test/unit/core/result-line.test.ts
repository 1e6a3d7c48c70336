import { expect, test } from 'vitest';
import { afterTry, classifyRow } from '../../../src/core/result-line.ts';

const row = { statusCode: 200, errorCode: null, errorMessage: null, bodyIsAnswer: false, isReadable: true };

test.each<[status: number, verdict: string]>([
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
])('status %i means %s', (statusCode, verdict) => {
  expect(classifyRow({ ...row, statusCode })).toBe(verdict);
  expect(classifyRow({ ...row, statusCode, bodyIsAnswer: true })).toBe(verdict);
});

test.each<[code: string, verdict: string]>([
  ['batch_expired', 'retry_free'],
  ['batch_cancelled', 'retry_free'],
  ['request_timeout', 'retry'],
  ['anything_else', 'retry'],
])('a request that never ran for %s means %s', (errorCode, verdict) => {
  expect(classifyRow({ ...row, statusCode: null, errorCode })).toBe(verdict);
});

test.each([
  'context_length_exceeded',
  'invalid_prompt',
  'invalid_request_error',
  'invalid_image',
  'model_not_found',
])('%s inside a success cannot be fixed by another try', (errorCode) => {
  expect(classifyRow({ ...row, errorCode })).toBe('failed');
});

test('a success without an answer was paid and is never bought again, one with an answer has ended', () => {
  expect(classifyRow(row)).toBe('unreadable');
  expect(classifyRow({ ...row, errorCode: 'server_error' })).toBe('retry');
  expect(classifyRow({ ...row, bodyIsAnswer: true })).toBe('answered');
  expect(classifyRow({ ...row, statusCode: null, isReadable: false })).toBe('unreadable');
});

test.each<[status: number | null, code: string, verdict: string]>([
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
])('status %s with %s means %s', (statusCode, errorCode, verdict) => {
  expect(classifyRow({ ...row, statusCode, errorCode })).toBe(verdict);
});

test('a line goes again while it has attempts; idle tries have a budget of their own, others have none', () => {
  const before = { sent: 1, charged: 1, idle: 0 };
  expect(afterTry({ sent: 0, charged: 0, idle: 0 }, 'attempt', 2)).toEqual({ ...before, again: true });
  expect(afterTry(before, 'attempt', 2)).toEqual({ sent: 2, charged: 2, idle: 0, again: false });
  expect(afterTry(before, 'idle', 2)).toEqual({ sent: 2, charged: 1, idle: 1, again: true });
  const often = { sent: 20, charged: 1, idle: 19 };
  expect(afterTry(often, 'idle', 2)).toEqual({ sent: 21, charged: 1, idle: 20, again: false });
  expect(afterTry({ ...often, sent: 900 }, 'nothing', 2)).toMatchObject({ sent: 901, idle: 19, again: true });
});
