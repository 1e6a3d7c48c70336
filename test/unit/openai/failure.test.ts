import { ApplicationFailure } from '@temporalio/common';
import {
  APIConnectionError,
  APIConnectionTimeoutError,
  APIError,
  APIUserAbortError,
  OpenAIError,
} from 'openai';
import { describe, expect, test } from 'vitest';
import { apiText, callApi, isNotFound, isRefusal, toFailure } from '../../../src/openai/failure.ts';

const SECRET = 'prompt text sk-key';

interface Answer {
  status: number;
  code?: string | null;
  type?: string;
  param?: string;
  message?: string;
  headers?: Record<string, string>;
}

/** The error that the SDK creates from a response of the API. */
function apiError({ status, code = null, type, param, message = SECRET, headers = {} }: Answer): APIError {
  return APIError.generate(
    status,
    { error: { code, type, param, message } },
    undefined,
    new Headers(headers),
  );
}

/** The failure that `toFailure` creates from a thrown value. */
function failureOf(error: unknown): ApplicationFailure {
  const failure = toFailure(error, 'POST /batches');
  if (!(failure instanceof ApplicationFailure)) throw new Error('no failure');
  return failure;
}

describe('an error response', () => {
  test.each<[type: string, final: boolean, answer: Answer]>([
    ['AccountRefused', true, { status: 401, code: 'invalid_api_key' }],
    ['AccountRefused', true, { status: 403 }],
    ['AccountRefused', true, { status: 402 }],
    ['AccountRefused', true, { status: 429, code: 'insufficient_quota' }],
    ['AccountRefused', true, { status: 429, type: 'insufficient_quota' }],
    ['AccountRefused', true, { status: 400, code: 'billing_hard_limit_reached' }],
    ['AllowanceExhausted', true, { status: 429, message: 'Enqueued token limit reached for gpt-4o' }],
    [
      'AllowanceExhausted',
      true,
      { status: 429, code: 'rate_limit_exceeded', message: 'Too many enqueued tokens.' },
    ],
    ['ApiTrouble', false, { status: 429, code: 'rate_limit_exceeded' }],
    ['ApiTrouble', false, { status: 408 }],
    ['ApiTrouble', false, { status: 409 }],
    ['ApiTrouble', false, { status: 500 }],
    ['ApiTrouble', false, { status: 502 }],
    ['ApiTrouble', false, { status: 503 }],
    ['ApiTrouble', false, { status: 400, headers: { 'x-should-retry': 'true' } }],
    ['ApiTrouble', false, { status: 500, headers: { 'x-should-retry': 'false' } }],
    ['RequestRefused', true, { status: 400, code: 'invalid_value' }],
    ['RequestRefused', true, { status: 404 }],
    ['RequestRefused', true, { status: 422 }],
  ])('is %s (final: %s) for %j', (type, final, answer) => {
    expect(failureOf(apiError(answer))).toMatchObject({ type, nonRetryable: final });
  });

  test.each<[type: string, answer: Answer]>([
    ['RequestRefused', { status: 403, code: 'model_not_found' }],
    ['RequestRefused', { status: 403, param: 'model' }],
    ['RequestRefused', { status: 403, param: 'body.model' }],
    ['RequestRefused', { status: 403, message: 'Project `p` does not have access to model `gpt-x`' }],
    [
      'RequestRefused',
      { status: 403, message: 'The model `gpt-4.1` does not exist or you do not have access to it.' },
    ],
    ['RequestRefused', { status: 404, code: 'DeploymentNotFound' }],
    ['RequestRefused', { status: 401, code: '401', type: 'key_model_access_denied' }],
    ['AccountRefused', { status: 401, message: 'The model `x` does not exist' }],
    ['AccountRefused', { status: 403, message: 'Missing scopes: api.model.read' }],
    ['AccountRefused', { status: 403, message: 'Country, region, or territory not supported' }],
    ['AccountRefused', { status: 403, code: 'billing_not_active', message: 'no access to model `x`' }],
  ])('that names a model concerns that model: %s for %j', (type, answer) => {
    expect(failureOf(apiError(answer))).toMatchObject({ type, nonRetryable: true });
  });

  test.each<[type: string, answer: Answer, call: string]>([
    ['InputTooLarge', { status: 413 }, 'POST /files'],
    ['InputTooLarge', { status: 413 }, 'POST /uploads/parts'],
    ['InputTooLarge', { status: 413, headers: { 'x-should-retry': 'true' } }, 'POST /batches'],
    ['InputTooLarge', { status: 400, message: 'File is too large.' }, 'POST /files'],
    ['InputTooLarge', { status: 400, code: 'file_too_large' }, 'POST /files'],
    ['InputTooLarge', { status: 422, code: 'too_many_tasks' }, 'POST /batches'],
    ['InputTooLarge', { status: 400, message: 'Maximum allowed content size is 26214400' }, 'POST /files'],
    ['RequestRefused', { status: 413 }, 'GET /batches'],
    ['RequestRefused', { status: 413 }, 'POST /batches/{id}/cancel'],
    ['RequestRefused', { status: 400, code: 'invalid_value' }, 'POST /files'],
    ['AllowanceExhausted', { status: 400, code: 'token_limit_exceeded' }, 'POST /batches'],
    ['ApiTrouble', { status: 429, message: 'Too many requests in a minute' }, 'POST /files'],
  ])('is %s for %j to %s', (type, answer, call) => {
    expect(toFailure(apiError(answer), call)).toMatchObject({ type });
  });

  test('has call, status and code in message and details', () => {
    const failure = failureOf(apiError({ status: 404, code: 'model_not_found' }));
    expect(failure.message).toMatch(
      /^POST \/batches: HTTP 404 model_not_found; it would be refused again: fix/,
    );
    expect(failure.details).toEqual([{ status: 404, code: 'model_not_found' }]);
    expect(failureOf(apiError({ status: 500 })).message).toMatch(/^POST \/batches: HTTP 500; retried/);
    expect(failureOf(apiError({ status: 400, type: 'invalid_request_error' })).message).toMatch(
      /^POST \/batches: HTTP 400 invalid_request_error; /,
    );
  });

  test.each<[Answer, advice: RegExp]>([
    [{ status: 401 }, /; set OPENAI_API_KEY of the workers/],
    [{ status: 403 }, /; give the key's project the permission/],
    [{ status: 402 }, /; fix the account's billing$/],
    [{ status: 429, code: 'insufficient_quota' }, /; fix the account's billing$/],
    [{ status: 429, code: 'token_limit_exceeded' }, /; the shard waits/],
    [
      { status: 400, message: 'Cannot find file file-1' },
      /; the file is uploaded and the batch created again/,
    ],
    [{ status: 422 }, /; it would be refused again/],
    [{ status: 429 }, /; retried automatically/],
  ])('contains what to do about %j', (answer, advice) => {
    expect(failureOf(apiError(answer)).message).toMatch(advice);
  });

  test.each<[Answer]>([
    [{ status: 400 }],
    [{ status: 401 }],
    [{ status: 429, message: `enqueued ${SECRET}` }],
    [{ status: 500 }],
    [{ status: 400, code: SECRET, type: SECRET }],
    [{ status: 400, code: 'x'.repeat(65) }],
  ])('does not contain the text of the server: %j', (answer) => {
    const failure = failureOf(apiError(answer));
    const shown = JSON.stringify([failure.message, failure.details, failure.cause]);
    expect(shown).not.toContain('prompt');
    expect(shown).not.toContain('xxx');
  });
});

describe('apiText', () => {
  test('is the message of the error, also for its failure', () => {
    const error = apiError({ status: 400, message: 'No such thing.' });
    expect(apiText(error)).toBe('No such thing.');
    expect(apiText(failureOf(error))).toBe('No such thing.');
    expect(apiText(APIError.generate(502, undefined, '<html>', new Headers()))).toBe('<html>');
  });

  test('is cut after 2,000 characters', () => {
    expect(apiText(apiError({ status: 400, message: 'x'.repeat(5_000) }))).toHaveLength(2_000);
  });

  test.each<[unknown]>([
    [APIError.generate(500, undefined, undefined, new Headers())],
    [new APIConnectionError({ message: SECRET })],
    [ApplicationFailure.create({ message: 'x' })],
    [new Error('x')],
    [undefined],
  ])('is null without a message of the server: %s', (error) => {
    expect(apiText(error)).toBeNull();
  });
});

describe('the delay before the next attempt', () => {
  test.each<[headers: Record<string, string>, delay: number | undefined]>([
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after-ms': '250' }, 250],
    [{ 'retry-after-ms': '250', 'retry-after': '7' }, 250],
    [{ 'retry-after': '86400' }, 600_000],
    [{ 'retry-after-ms': '86400000' }, 600_000],
    [{ 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' }, 600_000],
    [{ 'retry-after': 'Thu, 01 Jan 1970 00:00:01 GMT' }, undefined],
    [{ 'retry-after': '0' }, undefined],
    [{ 'retry-after': '-1' }, undefined],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('follows %j: %s', (headers, delay) => {
    const failure = failureOf(apiError({ status: 429, headers }));
    expect(failure).toMatchObject({ type: 'ApiTrouble', nonRetryable: false });
    expect(failure.nextRetryDelay ?? undefined).toBe(delay);
  });
});

describe('no response of the API', () => {
  test('is ApiTrouble that names the cause', () => {
    const refused = Object.assign(new Error(`connect ${SECRET}`), { code: 'ECONNREFUSED' });
    const cause = new TypeError('fetch failed', { cause: refused });
    const failure = failureOf(new APIConnectionError({ message: SECRET, cause }));
    expect(failure).toMatchObject({
      type: 'ApiTrouble',
      nonRetryable: false,
      message: expect.stringMatching(/^POST \/batches: no response \(ECONNREFUSED\); retried automatically/),
      details: [{ status: null, code: null }],
    });
  });

  test('is ApiTrouble after a timeout', () => {
    expect(failureOf(new APIConnectionTimeoutError())).toMatchObject({
      type: 'ApiTrouble',
      message: expect.stringMatching(/no response \(APIConnectionTimeoutError\); retried/),
    });
  });

  test('is final when the SDK itself refused the call', () => {
    expect(failureOf(new OpenAIError('Missing file.'))).toMatchObject({
      type: 'RequestRefused',
      nonRetryable: true,
      message: expect.stringMatching(/^POST \/batches: Missing file; it would be refused again/),
    });
  });
});

test('a response that is not JSON is ApiTrouble without its text', () => {
  const failure = failureOf(new SyntaxError(`Unexpected token 'p', "${SECRET}" is not valid JSON`));
  expect(failure).toMatchObject({ type: 'ApiTrouble', nonRetryable: false });
  expect(failure.message).not.toContain(SECRET);
});

test('other errors are unchanged', () => {
  for (const error of [new Error('disk full'), new APIUserAbortError(), 'text', undefined])
    expect(toFailure(error, 'call')).toBe(error);
});

test.each<[refusal: boolean, title: string, error: unknown]>([
  [true, 'HTTP 400', apiError({ status: 400 })],
  [true, 'HTTP 401', apiError({ status: 401 })],
  [true, 'HTTP 429', apiError({ status: 429 })],
  [false, 'HTTP 408', apiError({ status: 408 })],
  [false, 'HTTP 500', apiError({ status: 500 })],
  [false, 'a lost connection', new APIConnectionError({ message: 'x' })],
  [false, 'a timeout', new APIConnectionTimeoutError()],
  [false, 'an abort', new APIUserAbortError()],
  [false, 'an error of ours', new Error('x')],
  [false, 'nothing', undefined],
])('it is %s that the server did nothing after %s', (refusal, _, error) => {
  expect(isRefusal(error)).toBe(refusal);
});

test('only HTTP 404 is "not found"', () => {
  expect(
    [apiError({ status: 404 }), apiError({ status: 400 }), new Error('404'), { status: 404 }].map(isNotFound),
  ).toEqual([true, false, false, false]);
});

test('a call returns its response, or throws its failure', async () => {
  expect(await callApi('GET /batches', () => Promise.resolve(7))).toBe(7);
  const failing = callApi('GET /batches', () => Promise.reject(apiError({ status: 500 })));
  await expect(failing).rejects.toMatchObject({
    type: 'ApiTrouble',
    message: expect.stringMatching(/^GET \/batches: HTTP 500; /),
  });
});
