import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import type { RowSource } from '../../../../src/input/table/row-source.ts';
import { DuckDb } from '../../../../src/duckdb/duckdb.ts';
import { packZstd } from '../../../support/pack-zstd.ts';
import { rowsOf, storedRows } from '../../../support/table-rows.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const folder = new TempFolder();
afterAll(() => folder[Symbol.dispose]());

function file(name: string, content: string | Uint8Array): RowSource {
  writeFileSync(folder.at(name), content);
  return { kind: 'paths', paths: [folder.at(name)] };
}

async function* stream(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

/** Writes a Parquet file with the result of a query. */
async function parquet(name: string, sql: string): Promise<RowSource> {
  const db = await DuckDb.open(folder.path, 'usual');
  await db.run(`COPY (${sql}) TO '${folder.at(name)}'`);
  db.close();
  return { kind: 'paths', paths: [folder.at(name)] };
}

const query = (sql: string): RowSource => ({ kind: 'query', sql });

describe('CSV', () => {
  test('values are the texts of the file; an empty one is null, unless it is quoted', async () => {
    const text =
      'id,date,text\n007,1/2/2026,"say ""hi"""\n1.50,NULL,\n,true,""\n1e5,2026-01-01,"two\nlines"\n';
    expect(await storedRows(file('a.csv', text))).toMatchObject({
      rows: 4,
      source: folder.at('a.csv'),
      columns: [
        { name: 'id', type: 'VARCHAR' },
        { name: 'date', type: 'VARCHAR' },
        { name: 'text', type: 'VARCHAR' },
      ],
      lines: [
        '{"id":"007","date":"1/2/2026","text":"say \\"hi\\""}',
        '{"id":"1.50","date":"NULL","text":null}',
        '{"id":null,"date":"true","text":""}',
        '{"id":"1e5","date":"2026-01-01","text":"two\\nlines"}',
      ],
    });
  });

  test.each([
    ['\ufeffid;text\r\n1;a,b\r\n', { id: '1', text: 'a,b' }],
    ['id|text\r1|a\r', { id: '1', text: 'a' }],
    ['id,text\n\n1,a\n\n', { id: '1', text: 'a' }],
    ['id,text\n1,a', { id: '1', text: 'a' }],
    ['"id, of it",text\n1,a\n', { 'id, of it': '1', text: 'a' }],
    ['it\'s,"a ""b"""\n1,a\n', { "it's": '1', 'a "b"': 'a' }],
    [',text\n0,a\n', { column0: '0', text: 'a' }],
  ])('%j is one row', async (text, row) => {
    expect(await rowsOf(file('b.csv', text))).toEqual([row]);
  });

  test('blank lines of a table of one column are no rows', async () => {
    expect(await rowsOf(file('c.csv', 'text\na\n\n""\n\n'))).toEqual([{ text: 'a' }, { text: '' }]);
  });

  test('TSV has tabs, whatever its header has', async () => {
    expect(await rowsOf(file('a.tsv', 'id, number\ttext\n1\ta;b\n'))).toEqual([
      { 'id, number': '1', text: 'a;b' },
    ]);
  });

  test('a row of many MB is read', async () => {
    const text = 'x'.repeat(5_000_000);
    expect(await rowsOf(file('long.csv', `id,text\n1,a\n2,${text}\n`))).toEqual([
      { id: '1', text: 'a' },
      { id: '2', text },
    ]);
  });
});

describe('JSON', () => {
  test('rows are the texts of the file, whatever members they have', async () => {
    const lines = ['{"a": 1.10, "b": "2026-01-01"}', '{"z":"é\\u00e9","a":123456789012345678901234567890}'];
    expect(await storedRows(file('a.jsonl', `${lines.join('\n\n')}\n`))).toMatchObject({
      lines,
      columns: [
        { name: 'a', type: 'DOUBLE' },
        { name: 'b', type: 'VARCHAR' },
        { name: 'z', type: 'VARCHAR' },
      ],
    });
  });

  test.each([
    ['an array', '[\n {"a": 1,\r\n  "b": {"c": [1, 2]}},\n {"a": 2}\n]\n'],
    ['objects over several lines', '{"a": 1,\n"b": {"c": [1, 2]}}\n{\n"a": 2}\n'],
    ['lines', '{"a":1,"b":{"c":[1,2]}}\n{"a":2}'],
  ])('%s of objects are rows', async (_, text) => {
    expect(await rowsOf(file('a.json', text))).toEqual([{ a: 1, b: { c: [1, 2] } }, { a: 2 }]);
  });

  test('a row of many MB is read', async () => {
    const text = 'x'.repeat(40_000_000);
    const { lines } = await storedRows(file('long.jsonl', `{"a":"b"}\n{"a":"${text}"}\n`));
    expect(lines.map((line) => line.length)).toEqual([9, 40_000_008]);
  });
});

describe('Parquet and SQL', () => {
  const values = `SELECT 1 AS i, 0.1::FLOAT AS f, 'nan'::DOUBLE AS nan, 1.10::DECIMAL(9, 2) AS price, '\\xAA'::BLOB AS bytes,
    [0.1::FLOAT, 'inf'::FLOAT] AS floats, {'x': 'nan'::DOUBLE, 'y': 'b'} AS struct, MAP {'k': 0.1::FLOAT} AS map, DATE '2026-01-02' AS day,
    TIMESTAMPTZ '2026-01-02 03:04:05+02' AS time, 1234567890123456789 AS big, NULL::FLOAT[] AS nothing,
    [{'v': [0.1::FLOAT]}] AS nested, [0.5::FLOAT, 1]::FLOAT[2] AS vector`;
  const expected = [
    '{"i":1,"f":0.1,"nan":null,"price":1.1,"bytes":"qg==","floats":[0.1,null],"struct":{"x":null,"y":"b"},"map":{"k":0.1},"day":"2026-01-02","time":"2026-01-02 01:04:05+00","big":1234567890123456789,"nothing":null,"nested":[{"v":[0.1]}],"vector":[0.5,1.0]}',
  ];

  test('values of all types are JSON', async () => {
    expect(await storedRows(query(values))).toMatchObject({ lines: expected, source: 'the query' });
    const { lines, columns } = await storedRows(await parquet('types.parquet', values));
    expect(lines).toEqual(expected);
    expect(columns.slice(0, 6).map(({ type }) => type)).toEqual([
      'INTEGER',
      'FLOAT',
      'DOUBLE',
      'DECIMAL(9,2)',
      'BLOB',
      'FLOAT[]',
    ]);
  });

  test('a query may be ordered, and may end with a semicolon or a comment', async () => {
    const rows = Array.from({ length: 100_000 }, (_, i) => ({ range: 99_999 - i }));
    expect(await rowsOf(query('FROM range(100000) ORDER BY range DESC; '))).toEqual(rows);
    expect(await rowsOf(query('SELECT 1 AS a -- one'))).toEqual([{ a: 1 }]);
  });

  test('a query reads files', async () => {
    await parquet('q1.parquet', 'SELECT 1 AS a');
    await parquet('q2.parquet', 'SELECT 2 AS a');
    expect(await rowsOf(query(`SELECT a FROM '${folder.at('q*.parquet')}' WHERE a > 1`))).toEqual([{ a: 2 }]);
  });
});

describe('files', () => {
  test('compressed files are unpacked', async () => {
    const csv = 'id,text\n1,a\n2,b\n';
    const jsonl = '{"a":1}\n{"a":2}\n';
    const expected = [
      { id: '1', text: 'a' },
      { id: '2', text: 'b' },
    ];
    expect(await rowsOf(file('p.csv.gz', gzipSync(csv)))).toEqual(expected);
    expect(await rowsOf(file('p.csv.zst', await packZstd(csv, folder.path)))).toEqual(expected);
    expect(await rowsOf(file('p.tsv.gz', gzipSync('a\tb\n1\t2\n')))).toEqual([{ a: '1', b: '2' }]);
    expect(await rowsOf(file('p.jsonl.gz', gzipSync(jsonl)))).toEqual([{ a: 1 }, { a: 2 }]);
    expect(await rowsOf(file('p.jsonl.zst', await packZstd(jsonl, folder.path)))).toEqual([
      { a: 1 },
      { a: 2 },
    ]);
    expect(await rowsOf(file('p.json.zst', await packZstd('[{"a":1}]', folder.path)))).toEqual([{ a: 1 }]);
    await parquet('plain.parquet', 'SELECT 1 AS a');
    expect(await rowsOf(file('p.parquet.gz', gzipSync(readFileSync(folder.at('plain.parquet')))))).toEqual([
      { a: 1 },
    ]);
  });

  test('several files are one table, in sorted order, and one may be compressed', async () => {
    mkdirSync(folder.at('many'));
    writeFileSync(folder.at('many', 'b.csv'), 'a\n3\n');
    writeFileSync(folder.at('many', 'a.csv'), 'a\n1\n2\n');
    writeFileSync(folder.at('many', 'c.csv.gz'), gzipSync('a\n4\n'));
    const { lines, source } = await storedRows({ kind: 'paths', paths: [folder.at('many', '*')] });
    expect(lines).toEqual(['{"a":"1"}', '{"a":"2"}', '{"a":"3"}', '{"a":"4"}']);
    expect(source).toBe(`${folder.at('many', 'a.csv')} and 2 more`);
  });

  test('Parquet files may have their columns in different orders', async () => {
    const first = await parquet('o1.parquet', 'SELECT 1 AS a, 2 AS b');
    const second = await parquet('o2.parquet', 'SELECT 4 AS b, 3 AS a');
    const paths = [first, second].flatMap((source) => (source.kind === 'paths' ? source.paths : []));
    expect(await rowsOf({ kind: 'paths', paths })).toEqual([
      { a: 1, b: 2 },
      { a: 3, b: 4 },
    ]);
  });

  test('a name that looks like a glob is not one', async () => {
    file('x1.csv', 'a\n1\n');
    expect(await rowsOf(file('x[1].csv', 'a\n2\n'))).toEqual([{ a: '2' }]);
    expect(await rowsOf(file("it's.csv", 'a\n3\n'))).toEqual([{ a: '3' }]);
  });

  test.each([
    ['the last one', '1,a\n'.repeat(100), '', 101],
    ['one that begins before the end of a buffer', `1,${'a'.repeat(997)}\n`.repeat(31_999), '3,z\n', 32_001],
  ])(
    'a row of CSV is read, however long it is: %s',
    async (_, before, after, count) => {
      // Buffers of DuckDB have 32 MB, and lines 2 MB.
      const source = file('long.csv', `id,text\n${before}2,${'x'.repeat(40_000_000)}\n${after}`);
      const { rows, bytes } = await storedRows(source);
      expect(rows).toBe(count);
      expect(bytes).toBeGreaterThan(40_000_000);
    },
    60_000,
  );

  test('a format that is given counts more than the ending', async () => {
    const source = file('data.txt', 'a\tb\n1\t2\n');
    expect(await rowsOf({ ...source, format: 'tsv' } as RowSource)).toEqual([{ a: '1', b: '2' }]);
  });
});

test('a stream is a CSV file if nothing else is said, and may be compressed', async () => {
  expect(await rowsOf({ kind: 'stream', bytes: stream('id,te', 'xt\n1,a\n') })).toEqual([
    { id: '1', text: 'a' },
  ]);
  const packed = gzipSync('{"a":1}\n');
  const bytes = stream(packed.subarray(0, 1), packed.subarray(1));
  expect(await storedRows({ kind: 'stream', bytes, format: 'jsonl' })).toMatchObject({
    lines: ['{"a":1}'],
    source: 'standard input',
  });
});

describe('documents', () => {
  test('each is a row, or each of its chunks', async () => {
    mkdirSync(folder.at('docs', 'sub'), { recursive: true });
    const [a, b, c] = [
      folder.at('docs', 'a.md'),
      folder.at('docs', 'sub', 'b.md'),
      folder.at('docs', 'c.md'),
    ];
    writeFileSync(a, '\ufeff# A\n\nOne two three. Four five six.\n');
    writeFileSync(b, '');
    writeFileSync(c, 'C');
    const paths = [folder.at('docs', '**', '*.md')];
    expect(await rowsOf({ kind: 'paths', paths })).toEqual([
      { path: a, text: '# A\n\nOne two three. Four five six.\n' },
      { path: c, text: 'C' },
      { path: b, text: '' },
    ]);
    const { lines, columns } = await storedRows({ kind: 'paths', paths, chunks: { tokens: 6 } });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { path: a, chunk: 1, text: '# A\n\nOne two three.' },
      { path: a, chunk: 2, text: 'Four five six.' },
      { path: c, chunk: 1, text: 'C' },
      { path: b, chunk: 1, text: '' },
    ]);
    expect(columns).toEqual([
      { name: 'path', type: 'VARCHAR' },
      { name: 'chunk', type: 'BIGINT' },
      { name: 'text', type: 'VARCHAR' },
    ]);
  });

  test('many have a short name', async () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `many-${i}.md`);
    const paths = many.map((name) => folder.at(name));
    for (const path of paths) writeFileSync(path, 'text');
    expect((await storedRows({ kind: 'paths', paths })).source).toBe(`${paths[0]!} and 999 more`);
  });

  test('one that cannot be read gets a row without text, if asked for', async () => {
    const source = file('bad.md', Buffer.from([0xff]));
    expect(await storedRows({ ...source, unreadable: 'row' } as RowSource)).toMatchObject({
      lines: [
        JSON.stringify({
          path: folder.at('bad.md'),
          text: null,
          $unreadable: {
            reason: 'is not valid UTF-8',
            advice: 'save it as UTF-8, or leave it out of the pattern',
          },
        }),
      ],
      columns: [
        { name: 'path', type: 'VARCHAR' },
        { name: 'text', type: 'VARCHAR' },
      ],
      unreadable: [{ path: folder.at('bad.md'), reason: 'is not valid UTF-8' }],
    });
  });
});

describe('objects', () => {
  test('are rows as JSON has them', async () => {
    const objects = [
      { a: 1, b: new Date(0), c: Buffer.from('hi'), d: undefined },
      { a: Number.NaN, e: { f: [1] } },
    ];
    expect(await storedRows({ kind: 'objects', objects })).toMatchObject({
      lines: ['{"a":1,"b":"1970-01-01T00:00:00.000Z","c":"aGk="}', '{"a":null,"e":{"f":[1]}}'],
      source: 'the iterable',
    });
  });

  test('an error of the iterable is passed on, and the iterable is closed after an error of a row', async () => {
    async function* failing(): AsyncGenerator<object> {
      yield { a: 1 };
      throw new Error('cursor lost');
    }
    await expect(rowsOf({ kind: 'objects', objects: failing() })).rejects.toThrow('cursor lost');
    let isClosed = false;
    async function* bad(): AsyncGenerator<object> {
      try {
        yield [];
      } finally {
        isClosed = true;
      }
    }
    await expect(rowsOf({ kind: 'objects', objects: bad() })).rejects.toThrow('row 1 is not an object');
    expect(isClosed).toBe(true);
  });
});
