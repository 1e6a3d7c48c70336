import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { APIUserAbortError } from 'openai';
import { expect, test } from 'vitest';
import { withSafeFailures } from '../../../../src/activities/step/safe-failure.ts';
import { BatchError, ErrorCode } from '../../../../src/core/errors.ts';

/** The failure of a step that throws this. */
async function failureOf(error: unknown): Promise<unknown> {
  const fail = async (): Promise<never> => {
    // oxlint-disable-next-line typescript/only-throw-error -- a library may throw anything
    throw error;
  };
  try {
    return await withSafeFailures(fail);
  } catch (failure) {
    return failure;
  }
}

const parsed = ((): unknown => {
  try {
    return JSON.parse('a prompt about sk-secret');
  } catch (error) {
    return error;
  }
})();

test.each<[what: string, error: unknown, name: string]>([
  [
    'a header that quotes the key',
    new TypeError('"Bearer sk-secret\n" is an invalid header value'),
    'TypeError',
  ],
  ['a parser that quotes its text', parsed, 'SyntaxError'],
  ['an error with a code', Object.assign(new Error('sk-secret'), { code: 'ERR_SSL' }), 'Error, ERR_SSL'],
  ['a value that is not an error', { message: 'sk-secret' }, 'unknown error'],
])('%s is reported by its name', async (_what, error, name) => {
  const failure = (await failureOf(error)) as ApplicationFailure;
  expect(failure).toBeInstanceOf(ApplicationFailure);
  expect(failure.message).toBe(`The step failed (${name}); it is retried automatically.`);
  expect(failure.nonRetryable).toBe(false);
  expect(`${failure.stack}${JSON.stringify(failure)}`).not.toContain('secret');
});

test('the stack frames of a foreign error are kept, without its message', async () => {
  const { stack } = (await failureOf(new RangeError('a\n    at the end of a secret prompt'))) as Error;
  expect(stack).toMatch(
    /^The step failed \(RangeError\); it is retried automatically\.\n +at .*safe-failure\.test\.ts/,
  );
  expect(stack).not.toContain('secret');
});

test.each([
  ['a failure', ApplicationFailure.nonRetryable('final')],
  ['a cancel', new CancelledFailure('cancelled')],
  ['an abort of the SDK', new APIUserAbortError()],
  ['an abort of fetch', new DOMException('stop', 'AbortError')],
  ['an error for the user', new BatchError(ErrorCode.BadOption, 'wrong')],
  ['an error of this package', new Error('Shard r1-00001 has no outcome yet; its lines cannot be packed.')],
])('%s is unchanged', async (_what, error) => {
  expect(await failureOf(error)).toBe(error);
});

test('an error of the file system gives advice', async () => {
  expect(await failureOf(new Error("ENOSPC: no space left on device, write '/home/x'"))).toMatchObject({
    type: 'StoreTrouble',
    message:
      'The store cannot be written or read (ENOSPC): the disk is full: make room; the step is retried automatically.',
  });
});
