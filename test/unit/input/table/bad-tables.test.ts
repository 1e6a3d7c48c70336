import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { getuid } from 'node:process';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isBatchError } from '../../../../src/core/errors.ts';
import { DuckDb } from '../../../../src/duckdb/duckdb.ts';
import type { RowSource } from '../../../../src/input/table/row-source.ts';
import { tableOfFiles } from '../../../../src/input/table/table-files.ts';
import { storedRows } from '../../../support/table-rows.ts';
import { packZstd } from '../../../support/pack-zstd.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

/*
 * Sources that are refused: one sentence each, with file, row and column, and never with a value.
 */

const folder = new TempFolder();
afterAll(() => folder[Symbol.dispose]());

/** The message and the place of an error, without the path of the folder. */
async function refusal(
  source: RowSource,
): Promise<[message: string, row?: number | undefined, column?: string]> {
  const error: unknown = await storedRows(source).catch((caught: unknown) => caught);
  if (!isBatchError(error)) throw new Error('no refusal', { cause: error });
  expect(error.code).toBe('bad_input');
  expect(error.message).not.toMatch(/secret/);
  expect(error.cause).toBeUndefined();
  expect(error.message).toContain(error.details.file!);
  const { row, column } = error.details;
  const message = error.message.replaceAll(`${folder.path}/`, '');
  return column === undefined ? (row === undefined ? [message] : [message, row]) : [message, row, column];
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const cut = (bytes: Buffer): Buffer => bytes.subarray(0, Math.floor(bytes.length * 0.7));
const manyRows = `id,text\n${Array.from({ length: 10_000 }, (_, i) => `${i},text ${i * 7_919}\n`).join('')}`;

describe('a file', () => {
  test.each<[string, string | Buffer, ...[message: string, row?: number | undefined, column?: string]]>([
    [
      'a.csv',
      'id,text\n1,a\n2,"secret\nlines"\n3,secret,c\n',
      'a.csv: row 3 has 3 values, and the header has 2: quote values that contain the delimiter.',
      3,
    ],
    [
      'b.csv',
      'id,text\n1,a\nsecret\n',
      'b.csv: row 2 has 1 value, and the header has 2: add the missing values.',
      2,
    ],
    [
      'c.csv',
      'id,text\n1,a\n2,"secret" x\n',
      'c.csv: row 2 has a quoted value that does not end before the delimiter or the end of the line: write quotes inside of quoted values twice, and end all lines in the same way.',
      2,
    ],
    [
      'd.csv',
      latin1('id,text\n1,"a\nb"\n2,secr\xe9t\n'),
      'd.csv: row 2 is not valid UTF-8: save the file as UTF-8, e.g. with iconv.',
      2,
    ],
    [
      'e.csv',
      latin1('id,t\xe9xt\n1,a\n'),
      'e.csv is not valid UTF-8: save the file as UTF-8, e.g. with iconv.',
    ],
    [
      'f.csv',
      Buffer.from('\ufeffid,text\n1,a\n', 'utf16le'),
      'f.csv is not valid UTF-8: save the file as UTF-8, e.g. with iconv.',
    ],
    [
      'g.csv',
      'id,Id\n1,a\n',
      'g.csv: column Id is the name of columns 1 and 2: give each column a name of its own.',
      undefined,
      'Id',
    ],
    ['h.csv', '', 'h.csv is empty: write a header and rows.'],
    ['i.csv', 'id,text\n', 'i.csv has no rows to send: check that it is the right one.'],
    ['j.csv', '\nid,text\n', 'j.csv begins with a blank line: begin with the header.'],
    ['k.csv', '"a\nb",c\n1,2\n', 'k.csv has a column name with a line break: write the header on one line.'],
    [
      'l.csv.gz',
      cut(gzipSync(manyRows)),
      'l.csv.gz cannot be unpacked: it may be cut off or not compressed: write it again.',
    ],
    [
      'm.csv.gz',
      'id,text\n1,a\n',
      'm.csv.gz cannot be unpacked: it may be cut off or not compressed: write it again.',
    ],
    [
      'n.csv.zst',
      'id,text\n1,a\n',
      'n.csv.zst cannot be unpacked: it may be cut off or not compressed: write it again.',
    ],
    ['a.jsonl', '{"a":1}\n{"secret":2,}\n', 'a.jsonl: row 2 is not valid JSON: write one object per row.', 2],
    ['b.jsonl', '{"a":1}\n["secret"]\n', 'b.jsonl: row 2 is not a JSON object: write one object per row.', 2],
    [
      'c.jsonl',
      '{"a":1}\n{"a":1,"b":2,"a":3}\n',
      'c.jsonl: row 2, column a occurs twice: give each column a name of its own.',
      2,
      'a',
    ],
    [
      'd.jsonl',
      latin1('{"a":1}\n{"a":"secr\xe9t"}\n'),
      'd.jsonl: row 2 is not valid UTF-8: save the file as UTF-8, e.g. with iconv.',
      2,
    ],
    ['e.jsonl', '\ufeff{"a":1}\n', 'e.jsonl begins with a byte order mark: save it as UTF-8 without one.'],
    ['f.jsonl', '', 'f.jsonl has no rows to send: check that it is the right one.'],
    ['a.json', '[{"a":1},{"a":', 'a.json: row 2 is not valid JSON: write one object per row.', 2],
    ['b.json', '[]', 'b.json has no rows to send: check that it is the right one.'],
    ['a.parquet', 'secret', 'a.parquet is not a whole Parquet file: it may be cut off: write it again.'],
    [
      'a.md',
      latin1('secr\xe9t'),
      'a.md is not valid UTF-8: save it as UTF-8, or leave it out of the pattern.',
    ],
  ])('%s', async (name, content, ...expected) => {
    writeFileSync(folder.at(name), content);
    expect(await refusal({ kind: 'paths', paths: [folder.at(name)] })).toEqual(expected);
  });

  test('that is a cut Parquet or zstd file', async () => {
    writeFileSync(folder.at('cut.csv.zst'), cut(await packZstd(manyRows, folder.path)));
    expect(await refusal({ kind: 'paths', paths: [folder.at('cut.csv.zst')] })).toEqual([
      'cut.csv.zst cannot be unpacked: it may be cut off or not compressed: write it again.',
    ]);
  });

  test('that has one row, which is longer than a batch', async () => {
    writeFileSync(folder.at('long.csv'), `id,text\n1,${'x'.repeat(195_000_000)}\n`);
    expect(await refusal({ kind: 'paths', paths: [folder.at('long.csv')] })).toEqual([
      'long.csv: row 1 is longer than a batch may be: shorten it.',
      1,
    ]);
  }, 120_000);

  test('that is a damaged zstd file', async () => {
    const packed = await packZstd(manyRows, folder.path);
    packed.fill(0x55, packed.length >> 1, (packed.length >> 1) + 100);
    writeFileSync(folder.at('damaged.csv.zst'), packed);
    expect(await refusal({ kind: 'paths', paths: [folder.at('damaged.csv.zst')] })).toEqual([
      'damaged.csv.zst cannot be unpacked: it may be cut off or not compressed: write it again.',
    ]);
  });

  test.each(['gone.csv.gz', 'gone.csv.zst'])('that disappears before it is unpacked: %s', async (name) => {
    const file = { path: folder.at(name), name };
    await expect(tableOfFiles([file], 'csv', folder.path)).rejects.toMatchObject({
      code: 'bad_input',
      message: `${name} does not exist: check the path.`,
    });
  });

  test('that is missing, or a folder', async () => {
    mkdirSync(folder.at('empty'));
    expect(await refusal({ kind: 'paths', paths: [folder.at('no.csv')] })).toEqual([
      'no.csv does not exist: check the path.',
    ]);
    expect(await refusal({ kind: 'paths', paths: [folder.at('empty', '*.csv')] })).toEqual([
      'empty/*.csv matches no file: check the pattern, and quote it from the shell.',
    ]);
    expect(await refusal({ kind: 'paths', paths: [folder.at('empty')], format: 'csv' })).toEqual([
      "empty is a folder: name its files by a glob, e.g. 'folder/*.csv'.",
    ]);
  });

  test.skipIf(getuid?.() === 0)('that may not be read', async () => {
    for (const name of ['closed.csv', 'closed.md']) {
      writeFileSync(folder.at(name), 'a\n1\n');
      chmodSync(folder.at(name), 0);
      expect(await refusal({ kind: 'paths', paths: [folder.at(name)] })).toEqual([
        `${name} cannot be read: check its permissions.`,
      ]);
    }
  });
});

describe('several files', () => {
  const paths = (...names: string[]): RowSource => ({
    kind: 'paths',
    paths: names.map((name) => folder.at(name)),
  });

  async function parquet(name: string, sql: string): Promise<void> {
    const db = await DuckDb.open(folder.path, 'usual');
    await db.run(`COPY (${sql}) TO '${folder.at(name)}'`);
    db.close();
  }

  test('name the file at fault, and the row in it', async () => {
    writeFileSync(folder.at('1.csv'), 'a,b\n1,2\n');
    writeFileSync(folder.at('2.csv'), 'a,b\n1,2\n3\n');
    expect((await refusal(paths('1.csv', '2.csv')))[0]).toMatch(/^2\.csv: row 2 has 1 value/);
    writeFileSync(folder.at('1.jsonl'), '{"a":1}\n{"a":2}\n');
    writeFileSync(folder.at('2.jsonl'), '{"a":3}\n\n[4]\n');
    writeFileSync(folder.at('3.jsonl'), '{"a":5}\n');
    expect(await refusal(paths('1.jsonl', '2.jsonl', '3.jsonl'))).toEqual([
      '2.jsonl: row 2 is not a JSON object: write one object per row.',
      2,
    ]);
  });

  test('with different columns', async () => {
    writeFileSync(folder.at('3.csv'), 'a,c\n1,2\n');
    writeFileSync(folder.at('4.csv'), 'a;b\n1;2\n');
    expect((await refusal(paths('1.csv', '3.csv')))[0]).toMatch(
      /^3\.csv: column c differs from the header of 1\.csv: /,
    );
    expect((await refusal(paths('1.csv', '4.csv')))[0]).toMatch(
      /^4\.csv has another delimiter than 1\.csv: /,
    );
    await parquet('1.parquet', 'SELECT 1 AS a, 2 AS b');
    await parquet('2.parquet', 'SELECT 1 AS a');
    await parquet('3.parquet', 'SELECT 1 AS a, 2 AS b, 3 AS c');
    await parquet('4.parquet', "SELECT 1 AS a, 'secret' AS b");
    const advice = 'write the same columns with the same types into all files.';
    expect(await refusal(paths('1.parquet', '2.parquet'))).toEqual([
      `2.parquet: column b is missing: ${advice}`,
      undefined,
      'b',
    ]);
    expect(await refusal(paths('1.parquet', '3.parquet'))).toEqual([
      `3.parquet: column c does not exist in 1.parquet: ${advice}`,
      undefined,
      'c',
    ]);
    expect(await refusal(paths('1.parquet', '4.parquet'))).toEqual([
      `4.parquet: column b has the type VARCHAR, and INTEGER in 1.parquet: ${advice}`,
      undefined,
      'b',
    ]);
  });

  test('of different formats', async () => {
    expect((await refusal(paths('1.csv', '1.jsonl')))[0]).toMatch(
      /^1\.jsonl is not of the same format as 1\.csv: /,
    );
  });

  test('one unreadable document among thousands', async () => {
    mkdirSync(folder.at('docs'));
    for (let i = 0; i < 2_000; i += 1)
      writeFileSync(folder.at('docs', `${i}.md`), i === 1_234 ? latin1('\xe9') : 'text');
    expect(await refusal(paths('docs/*.md'))).toEqual([
      'docs/1234.md is not valid UTF-8: save it as UTF-8, or leave it out of the pattern.',
    ]);
  });
});

test.each<[string, ...[message: string, row?: number | undefined, column?: string]]>([
  ['SELEC 1', 'the query fails (Parser Error: syntax error at or near "SELEC"): correct it.'],
  [
    'SELECT b FROM range(3) AS t(a)',
    'the query fails (Binder Error: Referenced column "b" not found in FROM clause! Candidate bindings: "a"): correct it.',
  ],
  [
    "SELECT * FROM 'no*.csv'",
    'the query fails (IO Error: No files found that match the pattern "no*.csv"): correct it.',
  ],
  [
    "SELECT 'secret'::INT AS a",
    'the query fails at a value (Conversion Error): run it in DuckDB to see the value.',
  ],
  [
    "SELECT error('secret') AS a",
    'the query fails at a value (Invalid Input Error): run it in DuckDB to see the value.',
  ],
  ['SELECT 1 AS a; SELECT 2 AS a', 'the query is not one statement: write one SELECT statement.'],
  ['-- nothing', 'the query is not one statement: write one SELECT statement.'],
  ['CREATE TABLE t (a INT)', 'the query is not a SELECT statement without parameters: write one.'],
  ['SELECT $1 AS a', 'the query is not a SELECT statement without parameters: write one.'],
  ['SELECT 1 AS a WHERE false', 'the query has no rows to send: check that it is the right one.'],
  [
    'SELECT 1 AS a, 2 AS A',
    'the query: column A is the name of columns 1 and 2: give each column a name of its own.',
    undefined,
    'A',
  ],
])('the query %s', async (sql, ...expected) => {
  expect(await refusal({ kind: 'query', sql })).toEqual(expected);
});

describe('a query of a Parquet file', () => {
  const from = (name: string): string => `FROM '${folder.at(name)}'`;

  beforeAll(async () => {
    const db = await DuckDb.open(folder.path, 'usual');
    await db.run(
      `COPY (SELECT range AS a, 'secret' || range AS b FROM range(1000)) TO '${folder.at('x.parquet')}'`,
    );
    db.close();
    const whole = readFileSync(folder.at('x.parquet'));
    writeFileSync(folder.at('cut.parquet'), cut(whole));
    writeFileSync(folder.at('damaged.parquet'), Buffer.from(whole).fill(7, 100, whole.length >> 1));
    writeFileSync(folder.at('short.parquet'), 'secret');
  });

  test.each<[string, () => string, string]>([
    [
      'with a mistyped column',
      () => `SELECT bb ${from('x.parquet')}`,
      'the query fails (Binder Error: Referenced column "bb" not found in FROM clause! Candidate bindings: "b"): correct it.',
    ],
    [
      'that is missing',
      () => `SELECT * ${from('no.parquet')}`,
      'the query fails (IO Error: No files found that match the pattern "no.parquet"): correct it.',
    ],
    [
      'with a syntax error',
      () => `SELEC a ${from('x.parquet')}`,
      'the query fails (Parser Error: syntax error at or near "SELEC"): correct it.',
    ],
    [
      'with a cast that fails',
      () => `SELECT b::INT AS n ${from('x.parquet')}`,
      'the query fails at a value (Conversion Error): run it in DuckDB to see the value.',
    ],
    [
      'with words of other errors',
      () => `SELECT "zstd footer" ${from('x.parquet')}`,
      'the query fails (Binder Error: Referenced column "zstd footer" not found in FROM clause! Candidate bindings: "a"): correct it.',
    ],
    [
      'that is cut',
      () => `SELECT * ${from('cut.parquet')}`,
      'cut.parquet is not a whole Parquet file: it may be cut off: write it again.',
    ],
    [
      'that is damaged',
      () => `SELECT * ${from('damaged.parquet')}`,
      'damaged.parquet is not a whole Parquet file: it may be cut off: write it again.',
    ],
    [
      'that is too short',
      () => `SELECT * ${from('short.parquet')}`,
      'short.parquet is not a whole Parquet file: it may be cut off: write it again.',
    ],
  ])('%s', async (_, sql, message) => {
    expect(await refusal({ kind: 'query', sql: sql() })).toEqual([message]);
  });
});

test('standard input and objects have no file', async () => {
  async function* bytes(): AsyncGenerator<Buffer> {
    yield Buffer.from('id,text\n1\n');
  }
  expect(await refusal({ kind: 'stream', bytes: bytes() })).toEqual([
    'standard input: row 1 has 1 value, and the header has 2: add the missing values.',
    1,
  ]);
  expect(await refusal({ kind: 'objects', objects: [] })).toEqual([
    'the iterable has no rows to send: check that it is the right one.',
  ]);
  expect(await refusal({ kind: 'objects', objects: [{ a: 1 }, { a: 1, b: 2n }] })).toEqual([
    'the iterable: row 2, column b has a value that JSON cannot have: convert it to a text or a number.',
    2,
    'b',
  ]);
});
