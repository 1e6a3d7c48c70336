import { expect, test } from 'vitest';
import { parseCsvHeader } from '../../../../src/input/table/csv-header.ts';

test.each([
  ['id,text', null, ',', ['id', 'text']],
  ['id;text', null, ';', ['id', 'text']],
  ['id\ttext', null, '\t', ['id', 'text']],
  ['id|text|stars', null, '|', ['id', 'text', 'stars']],
  ['text', null, ',', ['text']],
  ['"a;b;c",text', null, ',', ['a;b;c', 'text']],
  ['"say ""hi""",text', null, ',', ['say "hi"', 'text']],
  [' id , text ', null, ',', ['id', 'text']],
  [',text,', null, ',', ['column0', 'text', 'column2']],
  ['id,text', '\t', '\t', ['id,text']],
  ['"id"\t"a,b"', '\t', '\t', ['id', 'a,b']],
] as const)('the header %j has its delimiter and names', (line, given, delimiter, names) => {
  expect(parseCsvHeader(line, given)).toEqual({ delimiter, names });
});

test('a quoted name that does not end in the line is not read', () => {
  expect(parseCsvHeader('id,"a', null)).toBeNull();
});
