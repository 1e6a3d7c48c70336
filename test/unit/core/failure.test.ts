import { expect, test } from 'vitest';
import { ErrorCode } from '../../../src/core/errors.ts';
import { failureMeaning, FailureType, isFailureType } from '../../../src/core/failure.ts';

test('the table of meanings has exactly the failure types', () => {
  expect(Object.keys(failureMeaning).sort()).toEqual(Object.values(FailureType).sort());
  expect(Object.entries(FailureType).every(([key, value]) => key === value)).toBe(true);
});

test('every failure type maps to an error code', () => {
  const codes = Object.values(failureMeaning).map(({ code }) => code);
  expect(codes.filter((code) => !(Object.values(ErrorCode) as string[]).includes(code))).toEqual([]);
});

test.each<[FailureType, boolean]>([
  ['BadInput', true],
  ['AccountRefused', true],
  ['RequestRefused', true],
  ['InputTooLarge', true],
  ['AllowanceExhausted', true],
  ['ApiTrouble', false],
  ['BatchNotListed', false],
  ['AnswersNotReady', false],
  ['StoreTrouble', false],
  ['WorkerBusy', false],
  ['EarlierAnswersGone', true],
])('%s is final: %s', (type, final) => {
  expect(failureMeaning[type].final).toBe(final);
});

test('isFailureType accepts only names of failure types', () => {
  expect(['BadInput', 'toString', 'badInput', '', null, undefined].map(isFailureType)).toEqual([
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
});
