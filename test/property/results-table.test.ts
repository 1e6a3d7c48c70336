/** Tables of results: for any rows and answers, every row comes out once, in order, with its values. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { saveOutput } from '../../src/output/save-output.ts';
import { chatBody, FinishedJob, readBack } from '../support/finished-job.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom(
    '',
    '"',
    '\\',
    ',',
    '\n',
    '\r\n',
    '\u2028',
    "'",
    '{{ x }}',
    'NULL',

    '🎉',
    '0x',
    '-',
  ),
);
const row = fc.record({
  text: fc.option(text),
  count: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  list: fc.option(fc.array(fc.integer(), { maxLength: 3 })),
});
const answer = fc.record({
  label: text,
  n: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  words: fc.array(text, { maxLength: 3 }),
});
const end = fc.oneof(
  answer.map((value) => ({ status: 'answered' as const, value })),
  fc.constantFrom('failed' as const, 'cancelled' as const).map((status) => ({ status, value: null })),
);

const schema = {
  type: 'object',
  properties: {
    label: { type: 'string' },
    n: { type: ['integer', 'null'] },
    words: { type: 'array', items: { type: 'string' } },
  },
  required: ['label', 'n', 'words'],
  additionalProperties: false,
};

/** JSON with integers of any size. */
function toJson(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${toJson(member)}`)
    .join(',')}}`;
}

test.each(['parquet', 'csv', 'jsonl'])(
  'every row comes out once, in order, with its values: %s',
  async (format) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(row, end), { minLength: 1, maxLength: 30 }), async (lines) => {
        const values = lines.map(
          ([{ text, count, list }], i) =>
            `SELECT ${i} AS i, ${sql(text)}::VARCHAR AS text, CAST(${count} AS BIGINT) AS count, ${list === null ? 'NULL' : `[${list.join(',')}]`}::BIGINT[] AS list`,
        );
        using job = await FinishedJob.overRows(
          { kind: 'query', sql: `FROM (${values.join(' UNION ALL ')}) ORDER BY i` },
          { prompt: '{{ i }}', model: 'gpt-5-mini', answer: schema },
          lines.map(([, { status, value }]) => ({
            status,
            response: value === null ? null : chatBody(toJson(value)),
          })),
        );
        const path = job.at(`out.${format}`);
        await saveOutput(job.store, job.spec.jobId, path);
        const read =
          format === 'csv'
            ? `SELECT * REPLACE (list::JSON::BIGINT[] AS list, words::JSON::VARCHAR[] AS words) FROM read_csv(FILE, all_varchar = true, allow_quoted_nulls = false)`
            : format === 'jsonl'
              ? `SELECT * REPLACE (list::BIGINT[] AS list, words::VARCHAR[] AS words) FROM read_json(FILE, columns = {i: 'VARCHAR', text: 'VARCHAR', count: 'BIGINT', list: 'JSON', label: 'VARCHAR', n: 'BIGINT', words: 'JSON', status: 'VARCHAR'})`
              : 'FROM FILE';
        const found = await readBack(path, read);
        const bigs = (list: readonly number[] | null): string[] | null => list && list.map(String);
        expect(
          found.map(({ i, text, count, list, label, n, words, status }) => ({
            i,
            text,
            count,
            list,
            label,
            n,
            words,
            status,
          })),
        ).toEqual(
          lines.map(([{ text, count, list }, { status, value }], i) => ({
            i: format === 'parquet' ? i : String(i),
            text,
            count: count === null ? null : String(count),
            list: bigs(list),
            label: value?.label ?? null,
            n: value?.n == null ? null : String(value.n),
            words: value?.words ?? null,
            status,
          })),
        );
      }),
      { numRuns: 25, endOnFailure: true },
    );
  },
);

function sql(value: string | null): string {
  return value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`;
}
