import { expect, onTestFinished, test } from 'vitest';
import { drawReport } from '../../../src/report/draw-report.ts';
import { EXAMPLES_KEPT } from '../../../src/core/shard-plan.ts';
import { reportBatch, reportData, reportShard } from '../../support/report-data.ts';

/** The rows of a table of the page, cells as text. */
function tableOf(page: string, name: string): string[][] {
  const [, table] = new RegExp(`aria-label="${name}"[^]*?<tbody>([^]*?)</tbody>`).exec(page)!;
  return table!
    .split('</tr>')
    .slice(0, -1)
    .map((row) => [...row.matchAll(/<t[hd][^>]*>([^<]*)</g)].map(([, cell]) => cell!));
}

const labels = (page: string): string[] => [
  ...new Set([...page.matchAll(/aria-label="([^"]*\.)"/g)].map(([, label]) => label!)),
];

test('rounds are added up, with the median and the longest batch', () => {
  const page = drawReport(
    reportData([
      reportShard(1, 0, { answered: 90, again: 10 }),
      reportShard(1, 1, { answered: 80, again: 15, failed: 5 }),
      reportShard(2, 0, { lines: 25, answered: 25 }),
    ]),
  );
  expect(tableOf(page, 'Rounds')).toEqual([
    ['1', '2', '2', '200', '170', '85.0 %', '25', '5', '1 h 00 min', '1 h 00 min'],
    ['2', '1', '1', '25', '25', '100 %', '0', '0', '1 h 00 min', '1 h 00 min'],
  ]);
});

test('the cost is listed by model and round if there are more of them than models', () => {
  const entry = { model: 'mine', round: 1, inputTokens: 1_000, cachedTokens: 5, outputTokens: 20 };
  const costs = [
    { ...entry, costUsd: 1.5, costUsdWithoutBatch: 3 },
    { ...entry, round: 2, costUsd: null, costUsdWithoutBatch: null },
    { ...entry, model: null, round: null, costUsd: 0.5, costUsdWithoutBatch: 1 },
  ];
  const page = drawReport({ ...reportData([reportShard(1, 0)]), costs });
  expect(tableOf(page, 'Tokens and cost by model and round')).toEqual([
    ['mine', '1', '1,000', '5', '20', '$1.50', '$3.00'],
    ['mine', '2', '1,000', '5', '20', 'not known', 'not known'],
    ['all others', '–', '1,000', '5', '20', '$0.5000', '$1.00'],
  ]);
  expect(page).toContain('Prices: @pydantic/genai-prices of 2026-09-23. ');
  const single = drawReport({
    ...reportData([reportShard(1, 0)]),
    costs: costs.slice(0, 1),
    priceSources: [],
  });
  expect(single).not.toContain('by model and round');
  expect(single).not.toContain('Prices:');
});

test('errors are listed by how often they occurred, with the first lines', () => {
  const page = drawReport(
    reportData([
      reportShard(1, 0, { errors: { rate_limit_exceeded: 2 }, examples: { rate_limit_exceeded: [7, 9] } }),
      reportShard(1, 1, {
        errors: { rate_limit_exceeded: 90, server_error: 3 },
        examples: { rate_limit_exceeded: [101, 102, 103, 104, 105] },
      }),
      reportShard(2, 0, { errors: { rate_limit_exceeded: 1 }, examples: { rate_limit_exceeded: [7] } }),
    ]),
  );
  expect(tableOf(page, 'Errors by kind')).toEqual([
    ['rate_limit_exceeded', '93', 'no. 7 · 9 · 101 · 102 · 103'],
    ['server_error', '3', 'not kept'],
  ]);
  expect(EXAMPLES_KEPT).toBe(5);
  expect(drawReport(reportData([reportShard(1, 0)]))).not.toContain('Errors by kind');
});

test('a code that is the name of a property of `Object.prototype` is an error like others', () => {
  // ECharts caches the widths of labels in an object that inherits these names, and writes to what it finds there.
  onTestFinished(() => {
    for (const name of ['prev', 'next']) {
      Reflect.deleteProperty(Object, name);
      Reflect.deleteProperty(Object.prototype, name);
    }
  });
  const errors = JSON.parse('{"constructor":2,"__proto__":1}') as Record<string, number>;
  const page = drawReport(reportData([reportShard(1, 0, { errors })]));
  expect(tableOf(page, 'Errors by kind')).toEqual([
    ['constructor', '2', 'not kept'],
    ['__proto__', '1', 'not kept'],
  ]);
});

test('an unknown price is not shown as zero', () => {
  const data = reportData([reportShard(1, 0)]);
  const unknown = { ...data.models[0]!, model: 'my-model', batchUsd: null, listUsd: null };
  const page = drawReport({ ...data, models: [data.models[0]!, unknown] });
  expect(tableOf(page, 'Tokens and cost by model')).toEqual([
    ['gpt-5-mini', '100', '10,000', '0', '3,000', '$1.50', '$3.00'],
    ['my-model', '100', '10,000', '0', '3,000', 'not known', 'not known'],
  ]);
  expect(labels(page)).toContain('Cost by model: gpt-5-mini $1.50, without batches $3.00.');
});

test('a shard shows its last batch, and a cancelled shard shows that it was never sent', () => {
  const page = drawReport(
    reportData([
      reportShard(1, 0, {
        batches: [
          reportBatch(0, { status: 'failed', inProgressAt: null, finalizingAt: null }),
          reportBatch(5, { adopted: true }),
        ],
      }),
      reportShard(1, 1, { answered: 0, cancelled: 100, batches: [] }),
    ]),
  );
  expect(tableOf(page, 'Shards').map((cells) => cells.slice(5))).toEqual([
    ['completed, 2 batches, found by search', '5 min 00 s', '1 h 00 min', '10,000', '3,000', 'batch_5'],
    ['cancelled', '–', '–', '10,000', '3,000', 'never sent'],
  ]);
});

test('records of version 0.1, which have no times, make a page', () => {
  const times = { inProgressAt: null, finalizingAt: null, endedAt: null };
  const page = drawReport(reportData([reportShard(1, 0, { batches: [reportBatch(0, times)] })]));
  expect(page).toContain('times not known');
  expect(tableOf(page, 'Shards')[0]).toContain('–');
});

test('a job without a batch makes a page without a timeline', () => {
  const page = drawReport(reportData([reportShard(1, 0, { answered: 0, cancelled: 100, batches: [] })]));
  expect(page).not.toContain('Timeline');
  expect(tableOf(page, 'Rounds')).toHaveLength(1);
});

test('each chart has a version for wide and for narrow pages, and a description', () => {
  const shards = [
    reportShard(1, 0, { again: 3, answered: 97, errors: { server_error: 3 } }),
    reportShard(2, 0),
  ];
  const page = drawReport(reportData(shards)).replaceAll(/\s+/g, ' ');
  expect(page.match(/<svg /g)).toHaveLength(8);
  expect(
    page.match(/<svg class="(wide|narrow)" viewBox="[^"]+" role="img" aria-label="[^"]+\."/g),
  ).toHaveLength(8);
  expect(labels(page)).toEqual([
    'Timeline of 2 batches of 2 shards over 1 h 00 min; the table of shards below has the same times.',
    'Lines by round: round 1, 97 of 100 answered; round 2, 100 of 100 answered.',
    'Errors of lines: 3 server_error.',
    'Cost by model: gpt-5-mini $1.50, without batches $3.00.',
  ]);
});

test('markup in external names is escaped', () => {
  const evil = `<script>alert('1')</script>"><img src=x onerror=alert(1)>&lt;`;
  const data = reportData([
    reportShard(1, 0, {
      id: evil,
      model: evil,
      errors: { [evil]: 1 },
      examples: { [evil]: [1] },
      batches: [reportBatch(0, { batchId: evil, status: evil })],
    }),
    reportShard(1, 1),
  ]);
  const page = drawReport({ ...data, models: [{ ...data.models[0]!, model: evil }] });
  expect(page).not.toMatch(/<script|<img|onerror=[^<]*>[^<]*<\/(?!t[dh]|text)/i);
  expect(page).toContain('&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;');
  expect(page).toContain('&amp;lt;');
  // All elements are our own.
  const elements = new Set([...page.matchAll(/<([a-z0-9]+)/gi)].map(([, name]) => name));
  const ours =
    'section h2 p figure svg rect path g text ul li span div table thead tbody tr th td code style clipPath defs';
  for (const name of elements) expect(ours.split(' ')).toContain(name);
});

test('the page of 2,000 shards and thousands of models and errors is far below a megabyte', () => {
  const shards = Array.from({ length: 2_000 }, (_, i) =>
    reportShard(1, i, {
      model: `model-${i}-${'x'.repeat(500)}`,
      errors: { [`error_${i}`]: i },
      examples: { [`error_${i}`]: [i] },
    }),
  );
  const models = shards.map(({ model }) => ({ ...reportData([]).models[0]!, model }));
  const page = drawReport({ ...reportData(shards), models });
  expect(page.length).toBeLessThan(700_000);
  expect(tableOf(page, 'Shards')).toHaveLength(200);
  expect(page).toContain('200 of 2,000 are listed');
  expect(page).toContain('1,950 more models');
});

test('of many shards, those with errors are listed before those that took long', () => {
  const shards = Array.from({ length: 1_000 }, (_, i) =>
    reportShard(1, i, {
      again: i % 10 === 0 ? 1 : 0,
      batches: [reportBatch(i, { endedAt: Date.parse('2026-11-26T00:00:00Z') + i })],
    }),
  );
  const listed = tableOf(drawReport(reportData(shards)), 'Shards');
  expect(listed).toHaveLength(200);
  expect(listed.filter(([, , , again]) => again === '1')).toHaveLength(100);
});
