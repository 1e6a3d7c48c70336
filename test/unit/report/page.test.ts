import { expect, test } from 'vitest';
import { reportPage } from '../../../src/report/page.ts';
import { jobReport } from '../../support/report-data.ts';

const textIn = (page: string): string =>
  page
    .slice(page.indexOf('<body>'))
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ');

test('the head contains the numbers of the report', () => {
  const page = textIn(reportPage({ report: jobReport(), input: 'reviews.jsonl', rejected: 0 }, ''));
  expect(page).toContain('Job reviews');
  expect(page).toMatch(
    /Input reviews.jsonl ?, started 2026-11-24 08:00:00 UTC, finished 2026-11-24 10:30:00 UTC: 2 h 30 min/,
  );
  expect(page).toContain('answered 990 99.0 % of 1,000 lines failed 10 1.0 % batches 12 in 2 rounds');
  expect(page).toContain('tokens 130,000 100,000 in, 30,000 out cost $1.50 $3.00 without batches');
  expect(page).not.toMatch(/cancelled|twice|never sent/);
});

test('the notes contain rejected and cancelled lines, answers paid twice, and an unknown price', () => {
  const report = jobReport({
    cancelled: 300,
    cost_usd: null,
    cost_usd_without_batch: null,
    duplicates: { batches: 1, answers: 20, input_tokens: 1, output_tokens: 1, cost_usd: null },
  });
  const page = textIn(reportPage({ report, input: null, rejected: 3 }, ''));
  expect(page).toContain('3 of the failed lines were not valid requests');
  expect(page).toContain('300 lines have no answer');
  expect(page).toContain('20 answers of 1 batch that was created twice (price not known');
  expect(page).toContain('cost not known');
});

test('lines that had been answered before are reported', () => {
  const page = textIn(reportPage({ report: jobReport({ reused: 1_150 }), input: null, rejected: 0 }, ''));
  expect(page).toContain(
    '1,150 of the answered lines had been answered before, by earlier jobs of the series',
  );
});

test('the page runs nothing and loads nothing', () => {
  const page = reportPage(
    { report: jobReport({ job_id: '<script>alert(1)</script>' }), input: '"><img src=x>', rejected: 0 },
    '',
  );
  expect(page.replaceAll('&#39;', "'")).toContain(
    `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`,
  );
  expect(page).not.toMatch(/<(?:script|img|link|iframe|object|form)|url\(|@import|https?:/i);
  expect(page).toContain('Job &lt;script&gt;alert(1)&lt;/script&gt;');
});
