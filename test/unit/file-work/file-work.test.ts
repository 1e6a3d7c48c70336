import { afterAll, describe, expect, test } from 'vitest';
import { BatchStatus } from '../../../src/core/batch-status.ts';
import { shardId, type RoundPlan } from '../../../src/core/shard-plan.ts';
import { ByteCounter } from '../../../src/file-work/byte-counter.ts';
import { FileWork } from '../../../src/file-work/file-work.ts';
import type { EndedShard } from '../../../src/file-work/rows/ended-shard.ts';
import { parseRequestTemplate } from '../../../src/render/template-schema.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { jobFiles, shardFiles } from '../../../src/store/job-files.ts';
import type { Store } from '../../../src/store/store.ts';
import { JOB, outputRow, requestLine, specFor } from '../../support/file-job.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const folder = new TempFolder();
const all: FileWork[] = [];
afterAll(async () => {
  for (const files of all) await files.close();
  folder[Symbol.dispose]();
});

function openFileWork(store: Store): FileWork {
  const files = new FileWork({ store, threads: 2 });
  all.push(files);
  return files;
}

const answer = { object: 'chat.completion', choices: [], usage: { prompt_tokens: 5, completion_tokens: 7 } };
const limits = { shardLines: 2, shardBytes: 100_000 };

/** A shard whose only batch has ended with its output in the store. */
function endedOf(shard: string, more: Partial<EndedShard> = {}): EndedShard {
  return {
    job: JOB,
    shard,
    batch: 1,
    batchId: `batch_${shard}`,
    status: BatchStatus.Completed,
    hasOutput: true,
    hasErrors: false,
    refused: [],
    missing: 'retry',
    attempts: 3,
    ...more,
  };
}

describe.each<[string, () => Store]>([
  ['a folder', () => new FolderStore(folder.at('store'))],
  ['memory', () => new MemoryStore()],
])('file work on a store in %s', (_, open) => {
  const store = open();
  const files = openFileWork(store);
  const put = async (key: string, value: unknown): Promise<void> =>
    await store.replace(key, typeof value === 'string' ? value : JSON.stringify(value));
  const rowsOf = async (key: string): Promise<Record<string, unknown>[]> =>
    (await store.read(key))!
      .split('\n')
      .slice(0, -1)
      .map((row) => JSON.parse(row) as Record<string, unknown>);

  test('processes a job from its input to its results, and a next one that reuses its answers', async () => {
    const lines = ['a', 'b', 'c', 'd', 'e'].map((text) => requestLine(text, { custom_id: `é ${text}` }));
    const spec = specFor(folder.path, `${lines.join('\n')}\nnot JSON\n`, { ...limits, skipBadLines: true });
    const under = jobFiles.building(JOB, 'word');
    const built = await files.shardInput({ spec, under, counter: new ByteCounter() });
    const plan: RoundPlan = { ...(built as { plan: RoundPlan }).plan, built: 'word' };
    expect(plan).toMatchObject({ shards: 3, lines: 5, rejected: 1 });
    await put(jobFiles.round(JOB, 1), plan);
    await store.moveToRoot(under);

    // The first line of each shard is answered; the second one is sent again, or its answer is lost.
    for (const [index, line] of [1, 3, 5].entries()) {
      const shard = shardId(1, index);
      await put(shardFiles.output(JOB, shard, 1), outputRow(line, { ...answer, line }));
      const ended = endedOf(shard, index === 1 ? { missing: 'unavailable' } : {});
      if (index === 0)
        expect(await files.settleShard({ ...ended, missing: 'ask' })).toMatchObject({ missing: 1 });
      expect(await files.settleShard(ended)).toMatchObject({ outcome: { answered: 1 }, first: true });
      // A second call uses the recorded outcome, whatever the files contain by then.
      await put(shardFiles.output(JOB, shard, 1), '');
      expect(await files.settleShard(ended)).toMatchObject({ outcome: { answered: 1 }, first: false });
      const cancelled = await files.cancelShard({ job: JOB, shard });
      expect(cancelled).toMatchObject({ outcome: { answered: 1 }, first: false });
    }
    const late = { job: JOB, shard: shardId(1, 0), output: 'late.jsonl' };
    await put('late.jsonl', outputRow(1, answer) + outputRow(3, answer));
    expect(await files.countAnswers(late)).toMatchObject({ answers: 1, outputTokens: 7 });

    const second = await files.packRetries({ job: JOB, round: 1, shards: 3, ...limits, cancelled: false });
    expect(second).toMatchObject({ shards: 1, lines: 1 });
    await put(jobFiles.round(JOB, 2), second);
    const refused = { job: JOB, shard: shardId(2, 0), halve: false, code: 'no', message: 'No.' };
    expect(await files.refuseShard(refused)).toMatchObject({ outcome: { failed: 1 }, first: true });

    const third = await files.packRebuys({ job: JOB, round: 2, ...limits });
    expect(third).toMatchObject({ shards: 1, lines: 1, rebought: true });
    await put(jobFiles.round(JOB, 3), third);
    const bought = shardId(3, 0);
    await put(shardFiles.output(JOB, bought, 1), outputRow(4, { ...answer, line: 4 }));
    await files.settleShard(endedOf(bought));

    const sources = [jobFiles.rejected(JOB)];
    for (const shard of [shardId(1, 0), shardId(1, 1), shardId(1, 2), shardId(2, 0), bought]) {
      const { rows } = JSON.parse((await store.read(shardFiles.outcome(JOB, shard)))!) as { rows: string };
      sources.push(shardFiles.rows(JOB, shard, rows));
    }
    const merge = { files: sources, target: jobFiles.results(JOB), replacing: 1, examples: 9 };
    expect(await files.mergeRows({ ...merge, counter: new ByteCounter() })).toEqual({
      rows: 6,
      failed: [
        { line: 2, code: 'no' },
        { line: 6, code: 'bad_line' },
      ],
    });
    expect(await rowsOf(jobFiles.results(JOB))).toMatchObject([
      { line: 1, id: 'é a', status: 'answered', response: { line: 1 } },
      { line: 2, id: 'é b', status: 'failed', error: { code: 'no' } },
      { line: 3, status: 'answered' },
      { line: 4, status: 'answered', response: { line: 4 } },
      { line: 5, status: 'answered' },
      { line: 6, status: 'failed', error: { code: 'bad_line' } },
    ]);

    const index = jobFiles.answers(JOB, 3);
    expect(await files.indexAnswers({ job: JOB, rounds: 3, target: index })).toBe(4);
    const next = { ...specFor(folder.path, `${lines[1]}\n${lines[4]}\n`), jobId: 'next' };
    const earlier = [{ job: JOB, index }];
    const reused = await files.shardInput({ spec: next, earlier, counter: new ByteCounter() });
    expect(reused).toMatchObject({ plan: { lines: 1, kept: 1 } });
    expect(await rowsOf(jobFiles.kept('next'))).toMatchObject([
      { line: 2, id: 'é e', response: { line: 5 } },
    ]);
  });

  test('leaves no temporary files', async () => {
    expect(
      (await store.list(`jobs/${JOB}/shards/${shardId(1, 0)}`)).filter((name) => /tmp/.test(name)),
    ).toEqual([]);
  });
});

describe('a store that fails', () => {
  test('when rows are published has no outcome, and the next attempt writes one', async () => {
    const store = new MemoryStore();
    const files = openFileWork(store);
    const spec = specFor(folder.path, `${requestLine('a')}\n`);
    await files.shardInput({ spec, counter: new ByteCounter() });
    const shard = shardId(1, 0);
    await store.replace(shardFiles.output(JOB, shard, 1), outputRow(1, answer));
    store.failWhere((_access, key) => (/rows-/.test(key) ? new Error('no room') : null));
    await expect(files.settleShard(endedOf(shard))).rejects.toThrow('no room');
    expect(await store.size(shardFiles.outcome(JOB, shard))).toBeNull();
    store.failWhere(null);
    expect(await files.settleShard(endedOf(shard))).toMatchObject({ first: true, outcome: { answered: 1 } });
  });

  test('provides only the values that a step reads', async () => {
    const store = new MemoryStore();
    const files = openFileWork(store);
    const spec = specFor(folder.path, `${requestLine('a')}\n`);
    await files.shardInput({ spec, counter: new ByteCounter() });
    const shard = shardId(1, 0);
    await store.replace(shardFiles.output(JOB, shard, 1), outputRow(1, answer));
    await files.settleShard(endedOf(shard));
    expect(store.fetched).toEqual([shardFiles.manifest(JOB, shard), shardFiles.output(JOB, shard, 1)]);
  });
});

test('a thread renders rows with the template of a job', async () => {
  const files = openFileWork(new FolderStore(folder.at('rendered')));
  const template = parseRequestTemplate({
    endpoint: '/v1/responses',
    model: 'gpt-5-mini',
    prompt: '{{ text | upcase }}',
  });
  const spec = { ...specFor(folder.path, '{"text":"a"}\n{"text":"b"}\n'), template: { sha256: 'hash' } };
  expect(await files.shardInput({ spec, template, counter: new ByteCounter() })).toMatchObject({
    plan: { lines: 2, models: ['gpt-5-mini'] },
  });
});
