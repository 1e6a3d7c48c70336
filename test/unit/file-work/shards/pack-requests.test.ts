/** The requests that the lines of a shard share. */
import { expect, test } from 'vitest';
import { MAX_PACKED_LINES } from '../../../../src/core/limits.ts';
import { manifestOf, plan, requestsOf } from '../../../support/file-job.ts';
import { packedText, planPacked, textLine, uploaded } from '../../../support/packed-job.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const shard = 'r1-00001';
const linesOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => textLine(`${i + 1} is a text`));

test('adjacent rows of the same form share a request, whose id is the number of its first row', () => {
  using folder = new TempFolder();
  const lines = [
    textLine('a\u2028"b"'),
    textLine('c'),
    '',
    textLine('d', { dimensions: 8 }),
    textLine('e', { dimensions: 8 }),
    textLine('f'),
  ];
  planPacked(folder.path, lines);
  const model = '"model":"text-embedding-3-small"';
  const head = (n: number): string =>
    `{"custom_id":"${n}","method":"POST","url":"/v1/embeddings","body":{${model},`;
  expect(packedText(folder.path, shard)).toBe(
    [
      `${head(1)}"input":["a\\u2028\\"b\\"","c"]}}`,
      `${head(4)}"input":["d","e"],"dimensions":8}}`,
      `${head(6)}"input":"f"}}`,
      '',
    ].join('\n'),
  );
  expect(requestsOf(folder.path, shard).split('\n')).toHaveLength(6);
  expect(manifestOf(folder.path, shard)).toMatchObject({ lines: 5, packs: [[6, 1], [1, 1], [1]] });
  const before = packedText(folder.path, shard);
  planPacked(folder.path, lines);
  expect(packedText(folder.path, shard)).toBe(before);
});

test('ready request lines are not packed, and keep their bytes', () => {
  using folder = new TempFolder();
  const bodies = [
    '{"model": "text-embedding-3-small",  "input":"a"}',
    '{"model": "text-embedding-3-small",  "input":"b"}',
    '{"input":["c", "d"],"model":"text-embedding-3-small"}',
  ];
  plan(folder.path, bodies.map((body) => `{"body":${body}}`).join('\n'));
  for (const [i, request] of requestsOf(folder.path, shard).split('\n').slice(0, -1).entries())
    expect(request).toContain(`"body":${bodies[i]}}`);
  expect(() => packedText(folder.path, shard)).toThrow('ENOENT');
  expect(manifestOf(folder.path, shard)).not.toHaveProperty('packs');
});

test('a request has a limit of rows, and of tokens', () => {
  using folder = new TempFolder();
  planPacked(folder.path, linesOf(MAX_PACKED_LINES + 1));
  expect(uploaded(folder.path, shard).map(({ texts }) => texts.length)).toEqual([MAX_PACKED_LINES, 1]);
  const long = [`1${'x'.repeat(299_999)}`, `2${'é'.repeat(75_000)}`, '3', `4${'x'.repeat(700_000)}`, '5'];
  planPacked(
    folder.path,
    long.map((text) => textLine(text)),
  );
  expect(uploaded(folder.path, shard).map(({ texts }) => texts.length)).toEqual([1, 2, 1, 1]);
});
