import { expect, test } from 'vitest';
import { jobOptionNames } from '../../../src/core/job-spec.ts';
import { assertKnownOptions } from '../../../src/core/known-options.ts';

test('known options and options without a value are accepted', () => {
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
])('%s is refused, with the suggestion %s', (option, near) => {
  expect(() => assertKnownOptions({ [option]: 1 }, jobOptionNames)).toThrow(
    expect.objectContaining({
      code: 'bad_option',
      message: `Option ${option} does not exist: did you mean ${near}?`,
      details: { option },
    }),
  );
});

test('the message lists all options if none is near', () => {
  expect(() => assertKnownOptions({ temperature: 1 }, ['model', 'input'])).toThrow(
    'Option temperature does not exist: known are model, input.',
  );
});
