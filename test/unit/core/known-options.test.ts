import { expect, test } from 'vitest';
import { jobOptionNames } from '../../../src/core/job-spec.ts';
import { assertKnownOptions } from '../../../src/core/known-options.ts';

test('options that exist pass, and so does one without a value', () => {
  for (const option of jobOptionNames) assertKnownOptions({ [option]: 1 }, jobOptionNames);
  assertKnownOptions({ modle: undefined }, jobOptionNames);
});

test.each([
  ['modle', 'model'],
  ['Model', 'model'],
  ['job_id', 'jobId'],
  ['in-flight', 'inFlight'],
  ['shardLine', 'shardLines'],
  ['skipBadLine', 'skipBadLines'],
  ['giveUpAfter', 'giveUpAfterHours'],
  ['pollSecs', 'pollSeconds'],
])('%s is refused by name: %s is meant', (option, near) => {
  expect(() => assertKnownOptions({ [option]: 1 }, jobOptionNames)).toThrow(
    expect.objectContaining({
      code: 'bad_option',
      message: `Option ${option} does not exist: did you mean ${near}?`,
      details: { option },
    }),
  );
});

test('where none is near all are told', () => {
  expect(() => assertKnownOptions({ temperature: 1 }, ['model', 'input'])).toThrow(
    'Option temperature does not exist: known are model, input.',
  );
});
