import { expect, test } from 'vitest';
import { isBatchError } from '../../../src/core/errors.ts';
import { checkCron } from '../../../src/client/schedules/check-cron.ts';

test.each([
  '0 6 * * *',
  ' 0  6 * * * ',
  '*/15 * * * *',
  '0,30 6-8,10 * * MON-FRI',
  '0 6 1 jan sun',
  '0 6 * * 7',
  '5-50/5 * * * *',
  '0 9 1-7 * MON',
  '30 0 6 * * * *',
  '0 0 6 * * * 2027-2030',
  '0 0 29 2 *',
  '@daily',
  '@hourly',
  '@yearly',
])('accepts %s', (line) => {
  expect(() => checkCron(line)).not.toThrow();
});

/** Expressions that Temporal accepts with another meaning, that only the library accepts, and that neither accepts. */
test.each([
  ['0 25 * * *', /has "25" as hour: write \*, values of 0-23, /],
  ['60 * * * *', /has "60" as minute/],
  ['0 6 0 * *', /has "0" as day of the month/],
  ['0 6 32 * *', /has "32" as day of the month/],
  ['0 6 * 13 *', /has "13" as month/],
  ['0 6 * * 8', /has "8" as day of the week/],
  ['0 6 * * fri-mon', /has "fri-mon" as day of the week/],
  ['a * * * *', /has "a" as minute/],
  ['10-5 * * * *', /has "10-5" as minute/],
  ['*/0 * * * *', /has "\*\/0" as minute/],
  ['*/90 * * * *', /has "\*\/90" as minute/],
  ['5/15 * * * *', /has "5\/15" as minute/],
  ['1,,2 * * * *', /has "1,,2" as minute/],
  ['+5 * * * *', /has "\+5" as minute/],
  ['0 6 * * 1#1', /has "1#1" as day of the week/],
  ['0 6 L * *', /has "L" as day of the month/],
  ['0 6 15W * *', /has "15W" as day of the month/],
  ['0 6 ? * *', /has "\?" as day of the month/],
  ['0 6 * * +MON', /has "\+MON" as day of the week/],
  ['0 6 * JANUARY *', /has "JANUARY" as month/],
  ['61 0 6 * * * *', /has "61" as second/],
  ['0 0 6 * * * 1969', /has "1969" as year: write \*, values of 2000-2100/],
  ['0 0 6 * * * 20270', /has "20270" as year/],
  ['0 6 * * * 2027', /has 6 fields: write five \(minute, hour, .*\), or seven/],
  ['0 6 * * * # every day', /has \d+ fields/],
  ['0 6 * *', /has 4 fields/],
  ['', /has 0 fields/],
  ['daily', /has 1 field:/],
  ['0 0 30 2 *', /is never due: its day does not exist/],
  ['0 0 6 * * * 2020', /is never due/],
  ['@every 5m', /is not a known name of times: give --every instead/],
  ['@reboot', /is not a known name of times: use @yearly/],
  ['CRON_TZ=Asia/Tokyo 0 6 * * *', /names a time zone: give --time-zone instead/],
  ['TZ=UTC 0 6 * * *', /names a time zone/],
])('refuses %s with the reason', (line, message) => {
  let thrown: unknown;
  try {
    checkCron(line);
  } catch (error) {
    thrown = error;
  }
  expect(isBatchError(thrown) && thrown.code).toBe('bad_option');
  expect((thrown as Error).message).toMatch(message);
  expect((thrown as Error).message.startsWith(`Option --cron "${line}" `)).toBe(true);
});
