import { expect, test } from 'vitest';
import { RangeList, ShardFill, shardId, ShardLines } from '../../../src/core/shard-plan.ts';

test('names shards so that they sort in their order', () => {
  expect([shardId(1, 0), shardId(1, 99), shardId(12, 99_998)]).toEqual(['r1-00001', 'r1-00100', 'r12-99999']);
});

test('collects ascending numbers as ranges', () => {
  const list = new RangeList();
  for (const line of [1, 2, 3, 7, 9, 10]) list.add(line);
  expect(list.ranges).toEqual([
    [1, 3],
    [7, 7],
    [9, 10],
  ]);
});

test('finds every line of a shard, and no other', () => {
  const lines = new ShardLines({
    lines: 6,
    ranges: [
      [3, 4],
      [8, 8],
      [10, 12],
    ],
    carried: [[8, 2, 1]],
  });
  expect([...lines.numbers]).toEqual([3, 4, 8, 10, 11, 12]);
  expect([...lines.numbers].map((line) => lines.positionOf(line))).toEqual([0, 1, 2, 3, 4, 5]);
  expect([0, 1, 2, 5, 7, 9, 13, 1e15].map((line) => lines.positionOf(line))).toEqual(
    Array.from({ length: 8 }, () => -1),
  );
  expect(lines.historyOf(8)).toEqual({ sent: 2, charged: 1, idle: 1 });
  expect(lines.historyOf(3)).toEqual({ sent: 0, charged: 0, idle: 0 });
});

test('a shard is full when one more line would exceed any limit', () => {
  const fill = new ShardFill();
  const limits = { lines: 3, bytes: 100 };
  const line = (bytes: number, embeddingInputs = 0): { bytes: number; embeddingInputs: number } => ({
    bytes,
    embeddingInputs,
  });
  expect(fill.isFullFor(line(100), limits)).toBe(false);
  fill.add(line(60, 49_000));
  expect(fill.isFullFor(line(40), limits)).toBe(false);
  expect(fill.isFullFor(line(41), limits)).toBe(true);
  expect(fill.isFullFor(line(1, 1_000), limits)).toBe(false);
  expect(fill.isFullFor(line(1, 1_001), limits)).toBe(true);
  fill.add(line(1));
  fill.add(line(1));
  expect(fill.isFullFor(line(1), limits)).toBe(true);
});
