import { beforeEach, expect, test } from 'vitest';
import { shardId } from '../../../../src/core/shard-plan.ts';
import { estimateTokens } from '../../../../src/file-work/shards/estimate-tokens.ts';
import { build, JOB, requestLine } from '../../../support/file-job.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

let folder: TempFolder;
beforeEach(() => {
  folder = new TempFolder();
  return () => folder[Symbol.dispose]();
});

const TEXT = 'The quick brown fox jumps over the lazy dog. ';

/** Tokens of `TEXT` in o200k_base, the encoding of gpt-4o-mini: 9 words and a full stop. Counted with tiktoken. */
const TEXT_TOKENS = 10;

test('tokens of each shard, with those around the messages', async () => {
  const lines = Array.from({ length: 7 }, (_, i) => `${requestLine(TEXT.repeat(10 * (i + 1)))}\n`).join('');
  build(folder.path, lines, { shardLines: 2 });
  const tokens = await estimateTokens(folder.path, { job: JOB, round: 1, shards: 4 });
  expect(tokens.map(([model]) => model)).toEqual(Array.from({ length: 4 }, () => 'gpt-4o-mini'));
  const exact = [3, 7, 11, 7].map((repeats, i) => 10 * TEXT_TOKENS * repeats + 7 * (i < 3 ? 2 : 1));
  for (const [i, [, estimated]] of tokens.entries())
    expect(Math.abs(estimated / exact[i]! - 1), `shard ${shardId(1, i)}`).toBeLessThan(0.1);
});

test('large shards are sampled at their beginning, middle and end', async () => {
  const lines = Array.from(
    { length: 6_000 },
    (_, i) => `${requestLine(i < 5_000 ? TEXT : '数'.repeat(45))}\n`,
  ).join('');
  build(folder.path, lines);
  const [[, tokens] = ['', 0]] = await estimateTokens(folder.path, { job: JOB, round: 1, shards: 1 });
  const onlyFirst = 6_000 * (TEXT_TOKENS + 7);
  expect(tokens).toBeGreaterThan(onlyFirst * 1.1);
});

test('a first line that is longer than what is read has the usual ratio', async () => {
  const line = requestLine('word '.repeat(200_000));
  build(folder.path, `${line}\n`);
  const [[, tokens] = ['', 0]] = await estimateTokens(folder.path, { job: JOB, round: 1, shards: 1 });
  expect(tokens).toBeGreaterThan(line.length / 5);
  expect(tokens).toBeLessThan(line.length / 3);
});
