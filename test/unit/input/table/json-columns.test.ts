import { expect, test } from 'vitest';
import { JsonColumns, type RowFault } from '../../../../src/input/table/json-columns.ts';

function add(columns: JsonColumns, row: string): RowFault | null {
  const block = Buffer.from(`before${row}after`);
  return columns.add(block, 6, block.length - 5);
}

test('columns are the members of all rows, in the order in which they first occur', () => {
  const columns = new JsonColumns();
  for (const row of ['{"a":1,"b":"x"}', ' { "b" : "y", "c" : null } ', '{"\\u0061":2,"é":true,"c":[1]}'])
    expect(add(columns, row)).toBeNull();
  expect(columns.columns()).toEqual([
    { name: 'a', type: 'BIGINT' },
    { name: 'b', type: 'VARCHAR' },
    { name: 'c', type: 'JSON' },
    { name: 'é', type: 'BOOLEAN' },
  ]);
});

test.each([
  ['an escape and its characters', '\\\\n', '\\n'],
  ['a letter and the characters of its bytes', 'Ã©', 'é'],
])('%s are different columns', (_, one, other) => {
  const columns = new JsonColumns();
  expect(add(columns, `{"${one}":1}`)).toBeNull();
  expect(add(columns, `{"${other}":"x"}`)).toBeNull();
  expect(add(columns, `{"${one}":2,"${other}":"y"}`)).toBeNull();
  expect(columns.columns()).toEqual([
    { name: JSON.parse(`"${one}"`) as unknown, type: 'BIGINT' },
    { name: JSON.parse(`"${other}"`) as unknown, type: 'VARCHAR' },
  ]);
});

test.each([
  [['1', '-2'], 'BIGINT'],
  [['1', '2.5'], 'DOUBLE'],
  [['1e3'], 'DOUBLE'],
  [['1', '12345678901234567890'], 'HUGEINT'],
  [['9223372036854775807', '-1'], 'BIGINT'],
  [['9223372036854775808'], 'HUGEINT'],
  [['12345678901234567890', '1.5'], 'DOUBLE'],
  [['1'.repeat(39)], 'DOUBLE'],
  [['null', '"a"', 'null'], 'VARCHAR'],
  [['null'], 'JSON'],
  [['true', 'false'], 'BOOLEAN'],
  [['1', '"a"'], 'JSON'],
  [['{}', '[]'], 'JSON'],
])('a column of %j has the type %s', (values, type) => {
  const columns = new JsonColumns();
  for (const value of values) add(columns, `{"a":${value}}`);
  expect(columns.columns()).toEqual([{ name: 'a', type }]);
});

test.each([
  ['{"a":1,}', { reason: 'is not valid JSON' }],
  ['{"a":1} x', { reason: 'is not valid JSON' }],
  ['', { reason: 'is not valid JSON' }],
  ['[1]', { reason: 'is not a JSON object' }],
  ['"a"', { reason: 'is not a JSON object' }],
  ['{}', { reason: 'has no columns' }],
  ['{"a":1,"b":2,"a":3}', { column: 'a', reason: 'occurs twice' }],
  ['{"a":1,"b":2,"\\u0061":3}', { column: 'a', reason: 'occurs twice' }],
  ['{"a":1,"":2}', { reason: 'has a column without a name', advice: 'give it one' }],
])('the row %j is at fault', (row, fault) => {
  expect(add(new JsonColumns(), row)).toMatchObject(fault);
});
