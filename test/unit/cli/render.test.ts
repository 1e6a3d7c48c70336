import { expect, test } from 'vitest';
import type { NamedFailure } from '../../../src/client/named-failures.ts';
import { describeFailures, describeReport } from '../../../src/cli/render.ts';
import { jobReport } from '../../support/report-data.ts';

const failure = (line: number, id?: string): NamedFailure => ({
  line,
  code: 'http_400',
  ...(id === undefined ? {} : { id }),
});

test('the report of a job has its first failed lines with their ids, and the command for all', () => {
  const failures = [failure(2, 'review-2'), failure(3, '3'), failure(4)];
  const rows = [
    'failed      line 2, custom_id "review-2": http_400',
    '            line 3: http_400',
    '            line 4: http_400',
    '            and 7 more; the requests of all: durable-batch results reviews --failed',
  ].join('\n');
  const report = jobReport({ first_failed: failures });
  expect(describeFailures(report)).toBe(rows);
  expect(describeReport(report)).toContain(`\n${rows}`);
  const all = jobReport({ failed: 1, first_failed: [failure(2, 'a')] });
  expect(describeFailures(all)).toMatch(/\n {12}their requests: durable-batch results reviews --failed$/);
});

test('an id is cut, and cannot move the cursor', () => {
  const text = describeFailures(
    jobReport({ first_failed: [failure(2, `\u001b[2J\u009b\u202e${'x'.repeat(500)}`)] }),
  );
  expect(text.split('\n')[0]).toMatch(/^failed {6}line 2, custom_id "\[2J x{74}…": http_400$/);
});

test('a report without failed lines does not mention them', () => {
  expect(describeFailures(jobReport())).toBe('');
  expect(describeReport(jobReport())).not.toContain('custom_id');
});
