import { expect, test } from 'vitest';
import { BatchError, ErrorCode, exitCodeOf, isBatchError } from '../../../src/core/errors.ts';

test('every error code has an exit code, and only a job that ended without results has 1', () => {
  const codes = Object.values(ErrorCode);
  expect(codes.filter((code) => exitCodeOf(code) === 1)).toEqual(['job_failed', 'partial_results']);
  expect(codes.filter((code) => exitCodeOf(code) === 2)).toHaveLength(codes.length - 2);
});

test('a BatchError has its code, details, cause and name', () => {
  const cause = new Error('below');
  const error = new BatchError('bad_input', 'No.', { details: { file: 'f', line: 2 }, cause });
  expect(error).toMatchObject({
    name: 'BatchError',
    code: 'bad_input',
    message: 'No.',
    details: { file: 'f', line: 2 },
    cause,
  });
  expect(Object.keys(new BatchError('bad_input', 'No.'))).not.toContain('cause');
});

test('isBatchError accepts a BatchError of another copy of the package', () => {
  const other = Object.assign(new Error('x'), { [Symbol.for('durable-batch.BatchError')]: true });
  expect(
    [new BatchError('bad_input', 'x'), other, new Error('x'), null, 'x', undefined].map(isBatchError),
  ).toEqual([true, true, false, false, false, false]);
});
