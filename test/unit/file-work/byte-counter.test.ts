import { statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { shardInput } from '../../../src/file-work/shards/shard-input.ts';
import { ByteCounter } from '../../../src/file-work/byte-counter.ts';
import { mergeRows } from '../../../src/file-work/rows/merge-rows.ts';
import { requestLine, specFor } from '../../support/file-job.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('counts of a thread are read through the shared memory', () => {
  const here = new ByteCounter();
  const there = new ByteCounter(here.shared);
  there.expect(2 ** 40);
  there.add(2 ** 39);
  there.add(1);
  expect([here.done, here.of]).toEqual([2 ** 39 + 1, 2 ** 40]);
});

test('reading the input counts all of its bytes', () => {
  using folder = new TempFolder();
  const spec = specFor(folder.path, `${requestLine('one')}\n${requestLine('two')}\n`);
  const counter = new ByteCounter();
  shardInput(folder.path, { spec, counter });
  expect([counter.done, counter.of]).toEqual([spec.input.bytes, spec.input.bytes]);
});

test('merging rows counts all of their bytes', () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('a'), '{"line":1,"x":1}\n{"line":3,"x":1}\n');
  writeFileSync(folder.at('b'), '{"line":2,"x":1}\n');
  const counter = new ByteCounter();
  mergeRows(folder.path, { files: ['a', 'none', 'b'], target: 'all', counter });
  const { size } = statSync(folder.at('all'));
  expect([counter.done, counter.of]).toEqual([size, size]);
});
